"""Submission: configurations become specs and snapshots, and one request submits them."""

from __future__ import annotations

import os
import time

from dispatcher.client.api import runs
from dispatcher.client.errors import (
    AzureMLException,
    ExperimentExecutionException,
    ServiceException,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

    from dispatcher.client.api.connection import ApiConnection
    from dispatcher.client.api.records import RunRecord
    from dispatcher.client.api.snapshots.snapshot import Snapshots
    from dispatcher.client.v1.configs.script_run_config import ScriptRunConfig
    from dispatcher.client.v1.runs.run import Run
    from dispatcher.client.v1.workspaces.experiment import Experiment

    Spec = Dict[str, Any]

_EXTRAS = ("display_name", "description", "properties", "priority")
_STEM = 200  # characters of the experiment in the id of a run: a job's folder is named by it


def submit(
    experiment: Experiment,
    configs: Sequence[Any],
    tags: Optional[Dict[str, Any]] = None,
    parent_id: Optional[str] = None,
    keys: Optional[Sequence[Optional[str]]] = None,
    run_id: Optional[str] = None,
    **extras: Any,
) -> List[Run]:
    """Submit configurations with one request, all or none, and return their runs in order.

    Raises:
        ExperimentExecutionException: The service refuses, or a configuration names what is not
            there; its text says what.
    """
    unknown = extras.keys() - set(_EXTRAS)
    if unknown:
        raise TypeError(f"submit() got unexpected keyword arguments: {sorted(unknown)}")
    if not configs:
        return []
    if len(configs) == 1 and hasattr(configs[0], "submit_to"):
        options = {**extras, "key": keys[0]} if keys and keys[0] is not None else extras
        return [configs[0].submit_to(experiment, tags, run_id, parent_id, **options)]
    from dispatcher.client.v1.runs.tags import as_texts

    snapshots = _snapshots(experiment)
    specs = _specs(experiment, configs, run_id, snapshots)
    fields = {name: value for name, value in extras.items() if value is not None}
    for spec in specs:
        spec["tags"] = as_texts(tags or {})
        spec["parent_id"] = parent_id
        properties = {**spec.get("properties", {}), **as_texts(fields.get("properties") or {})}
        spec.update({**fields, "properties": properties})
    if parent_id is not None:
        _give_keys(specs, parent_id, keys or [None] * len(specs))
    inherit(experiment, specs)
    return _post(experiment, specs, brief=True, snapshots=snapshots)


def start(experiment: Experiment, specs: Sequence[Spec]) -> List[Run]:
    """Start interactive runs. This process reports that it lives until they have ended."""
    started = _post(experiment, specs, brief=False, snapshots=None)
    for run in started:
        experiment.workspace.service.heartbeat.add(run.id)
    return started


def inherit(experiment: Experiment, specs: Sequence[Spec], again: bool = False) -> None:
    """Say in the specs what their runs inherit from this process."""
    from dispatcher.client.api import inheritance

    inherited = inheritance.announce(experiment.workspace.service, again)
    if inherited is not None:
        for spec in specs:
            spec["inherits"] = inherited


def interactive_spec(
    experiment: str, run_id: Optional[str], parent_id: Optional[str] = None
) -> Spec:
    """The spec of a run that the client drives."""
    import uuid

    return {
        "id": run_id or str(uuid.uuid4()),
        "experiment": experiment,
        "parent_id": parent_id,
        "type": None,
        "interactive": True,
        "heartbeat": True,
    }


def snapshot_of(experiment: Experiment, folder: Optional[str]) -> Spec:
    """Take the snapshot of an interactive run; its part of the spec."""
    if folder is None:
        return {}
    from dispatcher.client.api.snapshots import git

    snapshot = _snapshots(experiment).take(folder)
    return {
        "snapshot": snapshot,
        "properties": {"ContentSnapshotId": snapshot, **git.properties()},
    }


def _specs(
    experiment: Experiment, configs: Sequence[Any], run_id: Optional[str], snapshots: Snapshots
) -> List[Spec]:
    from dispatcher.client.api.snapshots import git
    from dispatcher.client.v1.configs.script_run_config import ScriptRunConfig

    for config in configs:
        if not isinstance(config, ScriptRunConfig):
            raise AzureMLException(
                f"config: a {type(config).__name__} cannot be submitted; give a ScriptRunConfig."
            )
        config.check()
    take, new_id = snapshots.take, _ids(experiment.name)
    git_facts = git.properties()
    specs = []
    to_spec = _Specs()
    for config in configs:
        snapshot = take(config.source_directory)
        spec = to_spec(config)
        spec.update(id=run_id or new_id(), experiment=experiment.name, snapshot=snapshot)
        if (spec.get("environment") or {}).get("context"):
            built = spec["environment"]  # other specs may have the same one
            spec["environment"] = {**built, "context": take(built["context"])}
        spec["properties"] = {"ContentSnapshotId": snapshot, **git_facts}
        specs.append(spec)
    return specs


class _Specs:
    """Makes the specs of one call. Of configurations that differ in their arguments alone, as those
    of a sweep do, the rest is worked out once. Definitions that say the same are one object: ten
    thousand of them would keep the garbage collector busy for half a second.
    """

    def __init__(self) -> None:
        self._known: Dict[Tuple[int, Optional[str]], Tuple[Any, Spec]] = {}
        self._definition: Optional[Dict[str, Any]] = None

    def __call__(self, config: ScriptRunConfig) -> Spec:
        """The spec of a configuration."""
        from dispatcher.client.v1.configs.definition import as_arguments

        if config.command:
            return config.to_spec()
        key = (id(config.run_config), config.script)
        if key not in self._known:
            self._known[key] = (config.run_config, self._lean(config.to_spec()))
        return {**self._known[key][1], "arguments": as_arguments(config.arguments)}

    def _lean(self, spec: Spec) -> Spec:
        if spec["definition"] == self._definition:
            spec["definition"] = self._definition
        self._definition = spec["definition"]
        return spec


def _snapshots(experiment: Experiment) -> Snapshots:
    from dispatcher.client.api.snapshots.snapshot import Snapshots

    return Snapshots(experiment.workspace.service, experiment.workspace.data_folder)


def _ids(experiment: str) -> Callable[[], str]:
    """Makes ids that differ from each other: 32 random bits alone can collide in a batch."""
    stem, used = f"{experiment[:_STEM]}_{int(time.time())}", set()

    def new_id() -> str:
        while True:
            run_id = f"{stem}_{os.urandom(4).hex()}"
            if run_id not in used:
                used.add(run_id)
                return run_id

    return new_id


def _give_keys(specs: Sequence[Spec], parent_id: str, keys: Sequence[Optional[str]]) -> None:
    if len(keys) != len(specs):
        raise TypeError(f"{len(keys)} keys for {len(specs)} configurations")
    for spec, key in zip(specs, keys):  # noqa: B905  (3.8 has no `strict`)
        give_key(spec, parent_id, key, spec)


def give_key(spec: Spec, parent_id: str, key: Optional[str], configuration: Spec) -> None:
    """Name a child durably within its parent: by a key that was given, or inside a submitted run
    by one that is made.

    Args:
        spec: The child's.
        parent_id: The run that it is below.
        key: What the caller calls it.
        configuration: What the child does.
    """
    from dispatcher.client.in_run import child_keys, context

    around = context.current()
    if key is None and (around is None or around.run_id != parent_id):
        return
    hashed = child_keys.configuration_hash(configuration)
    spec["key"] = key if key is not None else child_keys.next_key(hashed)
    spec["key_hash"] = hashed if spec["key"] is not None else None


def _post(
    experiment: Experiment, specs: Sequence[Spec], brief: bool, snapshots: Optional[Snapshots]
) -> List[Run]:
    from dispatcher.client.v1.runs.run_types import run_of

    try:
        records = _submitted(experiment, specs, brief, snapshots)
    except ServiceException as error:
        if error.status_code not in (404, 409, 413, 422):
            raise
        raise ExperimentExecutionException(error.message, inner_exception=error) from error
    submitted = []
    for spec, record in zip(specs, records):  # noqa: B905  (3.8 has no `strict`)
        known = {"type": spec["type"], "parent_id": spec["parent_id"]} if brief else {}
        submitted.append(run_of(experiment, {**known, **record}))
    return submitted


def _submitted(
    experiment: Experiment,
    specs: Sequence[Spec],
    brief: bool,
    snapshots: Optional[Snapshots],
) -> List[RunRecord]:
    """Submit. What was not announced because the service had it may have been deleted meanwhile:
    then it is uploaded, and the call is repeated once.
    """
    connection: ApiConnection = experiment.workspace.service
    try:
        return runs.submit(connection, specs, brief)
    except ServiceException as error:
        if error.error_type == "InheritanceNotFound":
            inherit(experiment, specs, again=True)
        elif (
            error.error_type != "SnapshotNotFound" or snapshots is None or not snapshots.announce()
        ):
            raise
        return runs.submit(connection, specs, brief)
