"""The contents of a workspace: experiments, runs, targets, environments, models."""

from __future__ import annotations

from dispatcher.client import checks
from dispatcher.client.errors import ComputeTargetException, NotYetAvailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterator, NoReturn, Optional

    from dispatcher.client.api.connection import ApiConnection
    from dispatcher.client.v1.compute.targets import ComputeTarget
    from dispatcher.client.v1.environments.environment import Environment
    from dispatcher.client.v1.runs.run import Run
    from dispatcher.client.v1.workspaces.experiment import Experiment
    from dispatcher.client.v1.workspaces.model import Model
    from dispatcher.client.v1.workspaces.workspace import Workspace


@checks.checked_class
class WorkspaceContents:
    """The half of a workspace that the service knows."""

    @property
    def service(self) -> ApiConnection:
        """The connection to the service."""
        raise NotImplementedError

    @property
    def experiments(self) -> Dict[str, Experiment]:
        """The experiments by name."""
        from dispatcher.client.v1.workspaces.experiment import Experiment

        return {one.name: one for one in Experiment.list(self._whole())}

    @property
    def compute_targets(self) -> Dict[str, ComputeTarget]:
        """The service's targets by name."""
        from dispatcher.client.v1.compute.targets import ComputeTarget

        return {target.name: target for target in ComputeTarget.list(self._whole())}

    def get_default_compute_target(self, type: str) -> Optional[ComputeTarget]:
        """The target for "CPU" or "GPU" work: the one named for it, else the first that fits."""
        checks.texts(type=type)
        device = type.upper()
        if device not in ("CPU", "GPU"):
            raise ComputeTargetException(f"type must be 'CPU' or 'GPU', not {type!r}")
        targets = self.compute_targets
        for name in (f"{type.lower()}-cluster", f"{type.lower()}-compute", type.lower()):
            if name in targets:
                return targets[name]
        return next((t for t in targets.values() if t.has_gpus == (device == "GPU")), None)

    def get_run(self, run_id: str) -> Run:
        """The run of that id, as its own class. Raises ServiceException (404) when unknown."""
        from dispatcher.client.v1.runs.run import Run

        return Run.get(self._whole(), run_id)

    @property
    def environments(self) -> Dict[str, Environment]:
        """The registered environments by name."""
        from dispatcher.client.v1.environments.environment import Environment

        return Environment.list(self._whole())

    @property
    def models(self) -> Dict[str, Model]:
        """The latest version of each registered model, by name."""
        from dispatcher.client.v1.workspaces.model import Model

        return {model.name: model for model in reversed(Model.list(self._whole(), latest=True))}

    def get_mlflow_tracking_uri(self, _with_auth: bool = False) -> str:
        """Where MLflow's client reaches this workspace: `mlflow.set_tracking_uri(…)` takes it.

        MLflow takes the token from `MLFLOW_TRACKING_TOKEN`, which this call sets in this process.
        Where the environment has a proxy, it adds the service to `no_proxy`.

        Args:
            _with_auth: Accepted, not interpreted: no token ever stands in the address.
        """
        import os

        from dispatcher.wire.proxy_exceptions import except_service

        address = self.service.address
        os.environ["MLFLOW_TRACKING_TOKEN"] = address.token
        except_service(os.environ, address.url)
        return address.url

    def get_default_datastore(self) -> NoReturn:
        """There are none: files of a run live with the run. Raises NotYetAvailable."""
        _no_data("get_default_datastore")

    @property
    def datastores(self) -> Dict[str, Any]:
        """There are none. Raises NotYetAvailable."""
        _no_data("datastores")

    @property
    def datasets(self) -> Dict[str, Any]:
        """There are none. Raises NotYetAvailable."""
        _no_data("datasets")

    def _active_runs(self, target: str, *filters: Any) -> Iterator[Run]:
        from dispatcher.client.v1.runs.listing import active

        return active(self._whole(), target, *filters)

    def _build_environment(self, environment: Environment, target: Optional[str]) -> Any:
        from dispatcher.client.v1.environments.builds import build

        return build(environment, self._whole(), target)

    def _whole(self) -> Workspace:
        whole: Any = self  # this class is the base of Workspace alone
        workspace: Workspace = whole
        return workspace


def _no_data(call: str) -> NoReturn:
    raise NotYetAvailable(
        f"Workspace.{call}: there are no datastores and datasets. Pass paths as script arguments; "
        "what a run leaves in ./outputs is kept with it."
    )
