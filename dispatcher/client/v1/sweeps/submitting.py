"""Submission of a HyperDriveConfig: one request."""

from __future__ import annotations

import json
import warnings

from dispatcher.client.api import sweeps
from dispatcher.client.errors import ExperimentExecutionException, ServiceException
from dispatcher.client.v1.sweeps.errors import HyperDriveConfigException

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional

    from dispatcher.client.v1.sweeps.config import HyperDriveConfig
    from dispatcher.client.v1.sweeps.run import HyperDriveRun
    from dispatcher.client.v1.workspaces.experiment import Experiment

_EXTRAS = ("display_name", "properties")
_REFUSED = (404, 409, 413, 422)


def submit(
    config: HyperDriveConfig,
    experiment: Experiment,
    tags: Optional[Dict[str, Any]] = None,
    run_id: Optional[str] = None,
    parent_id: Optional[str] = None,
    key: Optional[str] = None,
    **extras: Any,
) -> HyperDriveRun:
    """Submit a sweep and return its run at once.

    Below a run, `key` names it durably, as `Run.submit_child` says.

    Raises:
        ExperimentExecutionException: The service refuses; its text says what.
    """
    from dispatcher.client.v1.runs import submission
    from dispatcher.client.v1.runs.run_types import run_of

    unknown = extras.keys() - set(_EXTRAS)
    if unknown:
        raise TypeError(f"a sweep takes no {', '.join(sorted(unknown))}")
    spec = spec_of(config, experiment, tags, run_id, parent_id, extras)
    if parent_id is not None:
        submission.give_key(spec, parent_id, key, _configuration(spec))
    submission.inherit(experiment, [spec["trial"]])
    try:
        record: Any = sweeps.submit(experiment.workspace.service, spec)
    except ServiceException as error:
        if error.status_code not in _REFUSED:
            raise
        raise ExperimentExecutionException(error.message, inner_exception=error) from error
    run: Any = run_of(experiment, record)
    run._hyperdrive_config = config
    sweep_run: HyperDriveRun = run
    return sweep_run


def spec_of(
    config: HyperDriveConfig,
    experiment: Experiment,
    tags: Optional[Dict[str, Any]],
    run_id: Optional[str],
    parent_id: Optional[str],
    extras: Dict[str, Any],
) -> Dict[str, Any]:
    """The sweep's spec. It shares nothing with the configuration."""
    import uuid

    from dispatcher.client.api.snapshots import git
    from dispatcher.client.v1.runs import submission
    from dispatcher.client.v1.runs.tags import as_texts

    script: Any = config.run_config
    script.check()
    _note_overlap(script, config._sampling.to_json()["parameter_space"])
    sweep_id = run_id or config._custom_run_id or f"HD_{uuid.uuid4()}"
    snapshot = submission._snapshots(experiment).take(script.source_directory)
    properties = {"ContentSnapshotId": snapshot, **git.properties()}
    trial = {
        **script.to_spec(),
        "id": f"{sweep_id}_0",
        "experiment": experiment.name,
        "snapshot": snapshot,
        "properties": properties,
    }
    return {
        "id": sweep_id,
        "experiment": experiment.name,
        "parent_id": parent_id,
        "display_name": extras.get("display_name"),
        "tags": as_texts(tags or {}),
        "properties": {**properties, **as_texts(extras.get("properties") or {})},
        "trial": trial,
        "sampling": config._sampling.to_json(),
        "policy": config._policy.to_json(),
        "primary_metric": dict(config._primary_metric_config),
        "further_metrics": list(config._further_metrics),
        "max_total_runs": config._max_total_runs,
        "max_concurrent_runs": config._max_concurrent_runs,
        "max_duration_minutes": config._max_duration_minutes,
        "resume_from": [parent.id for parent in config._resume_from],
        "targets": list(config._targets),
        "first": [_cell(child) for child in config._resume_child_runs],
    }


def _configuration(spec: Dict[str, Any]) -> Dict[str, Any]:
    """What a sweep does, whatever it and its trials are called."""
    named = ("id", "properties", "snapshot")
    return {**spec, "trial": {k: v for k, v in spec["trial"].items() if k not in named}}


def _cell(child: Any) -> Dict[str, Any]:
    """What a child run of another sweep tried: this sweep tries it first."""
    text = child.get_properties().get("hyperparameters")
    if text is None:
        raise HyperDriveConfigException(
            f"resume_child_runs: run {child.id} is not a sweep's child: it has no hyperparameters."
        )
    cell: Dict[str, Any] = json.loads(text)
    return cell


def _note_overlap(script: Any, space: Dict[str, Any]) -> None:
    """An argument that the sweep gives, too: its own comes last, and argparse takes the last."""
    names = {name.lstrip("-") for name in space}
    arguments: List[str] = [str(argument) for argument in script.arguments or ()]
    both = sorted(names & {a.lstrip("-") for a in arguments if a.startswith("-")})
    if both:
        warnings.warn(
            f"{', '.join(both)}: in the arguments and in the parameter space; the sweep's comes "
            "last.",
            stacklevel=6,
        )
