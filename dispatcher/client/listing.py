"""Finding runs: pages of records → run objects of their own class, newest first."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterator, List, Optional, Union

    from dispatcher.client.experiment import Experiment
    from dispatcher.client.run import Run
    from dispatcher.client.workspace import Workspace

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
    query = [*query, *_pairs("tag", tags), *_pairs("property", properties), ("limit", _PAGE)]
    query += [(key, text) for key, text in (("type", type), ("status", status)) if text]
    cursor = None
    while True:
        page = experiment.workspace.service.get(
            "/runs", [*query, ("cursor", cursor)] if cursor else query
        )
        for record in page["runs"]:
            if _fits(record["tags"], tags) and _fits(record["properties"], properties):
                yield of(experiment, record, rehydrate)
        cursor = page.get("next")
        if not cursor:
            return


def of(experiment: Experiment, record: Dict[str, Any], rehydrate: bool = True) -> Run:
    """The run object of a record, of the class that its type asks for."""
    from dispatcher.client.run import CLASS_OF_TYPE, Run

    make = CLASS_OF_TYPE.get(record.get("type") or "", Run) if rehydrate else Run
    return make(experiment, record["id"], _record=record)


def fetch(workspace: Workspace, run_id: str) -> Run:
    """The run of that id. Raises ServiceException (404) when unknown."""
    from dispatcher.client.experiment import Experiment

    record = workspace.service.get(f"/runs/{run_id}")
    return of(Experiment(workspace, record["experiment"], _create_in_cloud=False), record)


def related(experiment: Experiment, run_id: str) -> Run:
    """A run of the same tree. Where this token may not read it, an object that knows its id."""
    from dispatcher.client.errors import ServiceException
    from dispatcher.client.run import Run

    try:
        return of(experiment, experiment.workspace.service.get(f"/runs/{run_id}"))
    except ServiceException as error:
        if error.status_code != 403:
            raise
        return Run(experiment, run_id, _record={"id": run_id})


def _pairs(name: str, wanted: Filter) -> List[Any]:
    if wanted is None:
        return []
    if isinstance(wanted, str):
        return [(name, wanted)]
    # A null value cannot be asked for over HTTP: ask for the key, then look at what came.
    return [(name, key if value is None else f"{key}={value}") for key, value in wanted.items()]


def _fits(values: Dict[str, Optional[str]], wanted: Filter) -> bool:
    if not isinstance(wanted, dict):
        return True
    return all(values.get(key, "") is None for key, value in wanted.items() if value is None)
