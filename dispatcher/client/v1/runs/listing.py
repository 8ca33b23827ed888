"""Lists of runs: pages of records become run objects, newest first."""

from __future__ import annotations

from dispatcher.client.api import runs as api_runs
from dispatcher.client.v1 import class_registry
from dispatcher.client.v1.runs.run_types import run_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterator, List, Optional, Union

    from dispatcher.client.v1.runs.run import Run
    from dispatcher.client.v1.workspaces.experiment import Experiment
    from dispatcher.client.v1.workspaces.workspace import Workspace

    Filter = Union[None, str, Dict[str, Optional[str]]]

_PAGE = 100


def runs(
    experiment: Experiment,
    query: List[Any],
    type: Optional[str] = None,
    tags: Filter = None,
    properties: Filter = None,
    status: Optional[str] = None,
    rehydrate: bool = True,
) -> Iterator[Run]:
    """Yield the runs that fit all filters; the next page is fetched when it is needed."""
    _check(type, tags, properties, status)
    return _runs(experiment, query, type, tags, properties, status, rehydrate)


def _runs(experiment: Experiment, query: List[Any], *filters: Any) -> Iterator[Run]:
    *conditions, rehydrate = filters
    for record in _records(experiment.workspace, query, *conditions):
        yield run_of(experiment, record, rehydrate)


def _records(
    workspace: Workspace,
    query: List[Any],
    type: Optional[str],
    tags: Filter,
    properties: Filter,
    status: Optional[str],
) -> Iterator[Dict[str, Any]]:
    query = [*query, *_pairs("tag", tags), *_pairs("property", properties), ("limit", _PAGE)]
    query += [(key, text) for key, text in (("type", type), ("status", status)) if text]
    cursor = None
    unstarted = set()  # a run that starts between two pages moves down the list and is listed again
    while True:
        page = api_runs.page(workspace.service, query, cursor)
        records: Any = page["runs"]
        for record in records:
            if record["id"] in unstarted:
                continue
            if record["started_at"] is None:
                unstarted.add(record["id"])
            if _fits(record["tags"], tags) and _fits(record["properties"], properties):
                yield record
        cursor = page.get("next")
        if not cursor:
            return


def _check(type: Any, tags: Any, properties: Any, status: Any) -> None:
    from dispatcher.client import checks

    checks.texts_or_none(type=type, status=status)
    checks.filters(tags=tags, properties=properties)


def on_target(
    workspace: Workspace,
    target: str,
    type: Optional[str] = None,
    tags: Filter = None,
    properties: Filter = None,
    status: Optional[str] = None,
) -> Iterator[Run]:
    """Yield the runs of all experiments that are or were on a target, newest first."""
    query = [("target", target), ("include_children", 1)]
    for record in _records(workspace, query, type, tags, properties, status):
        yield run_of(_experiment(workspace, record), record)


def active(
    workspace: Workspace,
    target: str,
    type: Optional[str] = None,
    tags: Filter = None,
    properties: Filter = None,
    status: Optional[str] = None,
) -> Iterator[Run]:
    """Yield the runs on a target that have not ended."""
    from dispatcher.client.v1.runs.status import RunStatus

    over = (RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELED)
    statuses = [status] if status else [word for word in RunStatus.list() if word not in over]
    for word in statuses:
        if word not in over:
            yield from on_target(workspace, target, type, tags, properties, word)


def fetch(workspace: Workspace, run_id: str) -> Run:
    """The run of that id; inside a run, one above it as an `AncestorRun`.

    Raises:
        ServiceException: There is none (404), or this code may not read it (403).
    """

    ancestor = _above(run_id)
    if ancestor is not None:
        return ancestor
    record: Any = api_runs.read(workspace.service, run_id)
    return run_of(_experiment(workspace, record), record)


def related(experiment: Experiment, run_id: str) -> Run:
    """A run of the same tree."""
    run = fetch(experiment.workspace, run_id)
    run._experiment = experiment
    return run


def _above(run_id: str) -> Optional[Run]:
    from dispatcher.client.in_run import context

    if context.current() is None:
        return None
    ancestor: Optional[Run] = class_registry.get("SubmittedRun").current().above(run_id)
    return ancestor


def _experiment(workspace: Workspace, record: Dict[str, Any]) -> Experiment:
    name, experiment_class = record["experiment"], class_registry.get("Experiment")
    experiment: Experiment = experiment_class(workspace, name, _create_in_cloud=False)
    return experiment


def _pairs(name: str, condition: Filter) -> List[Any]:
    if condition is None:
        return []
    if isinstance(condition, str):
        return [(name, condition) if "=" not in condition else (f"{name}_key", condition)]
    plain = {k: v for k, v in condition.items() if v is not None and "=" not in k}
    pairs: List[Any] = [(name, f"{key}={value}") for key, value in plain.items()]
    if len(plain) < len(condition):  # these a plain `key=value` cannot ask for
        import json

        special = {key: value for key, value in condition.items() if key not in plain}
        pairs.append((f"{name}_pairs", json.dumps(special)))
    return pairs


def _fits(values: Dict[str, Optional[str]], condition: Filter) -> bool:
    if not isinstance(condition, dict):
        return True
    return all(values.get(key, "") is None for key, value in condition.items() if value is None)
