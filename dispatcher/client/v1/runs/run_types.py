"""The class of a run object by the run's type; constructs run objects from records."""

from __future__ import annotations

from dispatcher.client.v1 import class_registry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict

    from dispatcher.client.v1.runs.run import Run
    from dispatcher.client.v1.workspaces.experiment import Experiment

    Factory = Callable[..., Run]

ANY = ""  # the type whose class is taken where no other fits
_HYPERDRIVE = "hyperdrive"
_factories: Dict[str, Factory] = {}


def add(run_type: str, factory: Factory) -> None:
    """Have runs of a type constructed by `factory(experiment, run_id, …)`."""
    _factories[run_type] = factory


def run_of(experiment: Experiment, record: Dict[str, Any], rehydrate: bool = True) -> Run:
    """The run object of a record.

    Args:
        experiment: The run's experiment.
        record: The service's record of the run.
        rehydrate: Whether the object is of the class of the run's type, or else a plain `Run`.
    """
    run_type = record.get("type") or ANY
    if ANY not in _factories:
        class_registry.get("Run")  # loading a module adds its types
    if rehydrate and run_type == _HYPERDRIVE and run_type not in _factories:
        class_registry.get("HyperDriveRun")
    factory = _factories.get(run_type) if rehydrate else None
    return (factory or _factories[ANY])(experiment, record["id"], _record=record)
