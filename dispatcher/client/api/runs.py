"""Runs over the wire: submitted, read, listed, changed, waited for."""

from __future__ import annotations

from dispatcher.client.api.run_path import run_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

    from dispatcher.client.api.connection import ApiConnection
    from dispatcher.client.api.records import RunListPage, RunRecord, WaitRecord

    Query = Sequence[Tuple[str, Union[str, int, float]]]
    Points = Dict[str, List[Dict[str, Any]]]

_ANSWER_SECONDS = 30.0  # beyond the time that a call asked the service to wait


def submit(
    connection: ApiConnection, specs: Sequence[Dict[str, Any]], brief: bool
) -> List[RunRecord]:
    """Submit runs, all or none, and return their records in order.

    A repeated call answers the same runs, because the client makes their ids.

    Args:
        connection: The service.
        specs: Their specs.
        brief: Whether the records have `id`, `status` and `version` alone.
    """
    records: List[RunRecord] = connection.ask("/runs", {**_in_common(specs), "brief": brief})[
        "runs"
    ]
    return records


def read(connection: ApiConnection, run_id: str, logs: bool = False) -> RunRecord:
    """Read a run; with `logs`, the names of its logs, too."""
    query = [("logs", "true")] if logs else []
    record: RunRecord = connection.get(run_path(run_id), query)
    return record


def read_changed(
    connection: ApiConnection, run_id: str, version: int, seconds: float, ended: bool = False
) -> RunRecord:
    """Read a run, with the names of its logs, once its version is above one that is known.

    Args:
        connection: The service.
        run_id: The run.
        version: The version that is known.
        seconds: After so long the run is answered as it is.
        ended: Wait until the run has ended, and not for other changes.
    """
    query: Query = [("after", version), ("wait", round(seconds, 3)), ("logs", "true")]
    if ended:
        query = [*query, ("ended", "true")]
    record: RunRecord = connection.get(run_path(run_id), query, timeout=seconds + _ANSWER_SECONDS)
    return record


def page(connection: ApiConnection, query: Query, cursor: Optional[str] = None) -> RunListPage:
    """Read a page of a list of runs, newest first."""
    runs: RunListPage = connection.get("/runs", [*query, ("cursor", cursor)] if cursor else query)
    return runs


def find_with_job(connection: ApiConnection, status: str) -> Optional[str]:
    """The id of a run of that status which is not interactive, or None."""
    query: Query = [("status", status), ("include_children", 1), ("limit", 100)]
    cursor: Optional[str] = None
    while True:
        runs = page(connection, query, cursor)
        for record in runs["runs"]:
            if not record["interactive"]:
                return record["id"]
        cursor = runs["next"]
        if cursor is None:
            return None


def wait(connection: ApiConnection, run_ids: Sequence[str], seconds: float) -> WaitRecord:
    """Answer once all of the runs have ended, or after so many seconds."""
    body = {"ids": list(run_ids), "wait": round(seconds, 3)}
    answer: WaitRecord = connection.ask("/runs/wait", body, timeout=seconds + _ANSWER_SECONDS)
    return answer


def change(connection: ApiConnection, run_id: str, fields: Dict[str, Any]) -> RunRecord:
    """Change tags, properties, name, description or child policy."""
    record: RunRecord = connection.patch(run_path(run_id), fields)
    return record


def post_event(connection: ApiConnection, run_id: str, event: Dict[str, Any]) -> RunRecord:
    """Say that a run has completed or failed."""
    record: RunRecord = connection.post(f"{run_path(run_id)}/events", event)
    return record


def cancel(connection: ApiConnection, run_id: str) -> RunRecord:
    """Ask for a run and its descendants to be canceled."""
    record: RunRecord = connection.post(f"{run_path(run_id)}/cancel")
    return record


def delete(connection: ApiConnection, run_id: str) -> int:
    """Delete a run and all below it for good, and return how many runs these were.

    ServiceException (409): one of them has not ended.
    """
    answer: Dict[str, int] = connection.delete(run_path(run_id))
    return answer["deleted"]


def park(connection: ApiConnection, run_id: str, waits_for: Sequence[str]) -> RunRecord:
    """Lend a run's CPU slot while it waits. ServiceException (409): the wait can never end."""
    body = {"waits_for": list(waits_for)}
    record: RunRecord = connection.post(f"{run_path(run_id)}/park", body)
    return record


def unpark(connection: ApiConnection, run_id: str, seconds: float) -> RunRecord:
    """Take the slot back; `parked` is true while the run has to wait for it longer."""
    record: RunRecord = connection.post(
        f"{run_path(run_id)}/unpark", query=[("wait", seconds)], timeout=seconds + _ANSWER_SECONDS
    )
    return record


def metrics(connection: ApiConnection, run_id: str, query: Query) -> Points:
    """The points that were logged, by run id, in the order of logging."""
    points: Points = connection.get(f"{run_path(run_id)}/metrics", query)["runs"]
    return points


def attempts(connection: ApiConnection, run_id: str) -> List[Dict[str, Any]]:
    """The attempts of a run that have ended, with their evidence."""
    records: List[Dict[str, Any]] = connection.get(f"{run_path(run_id)}/attempts")["attempts"]
    return records


def explain(connection: ApiConnection, run_id: str) -> Dict[str, Any]:
    """Why a run waits: `run`, `status` and `reason`."""
    answer: Dict[str, Any] = connection.get(f"{run_path(run_id)}/explain")
    return answer


def _in_common(specs: Sequence[Dict[str, Any]]) -> Dict[str, Any]:
    """The specs, with what is equal in all of them given once."""
    first, *others = specs
    common = {
        name: value
        for name, value in first.items()
        if others and all(name in spec and spec[name] == value for spec in others)
    }
    rest = [{k: v for k, v in spec.items() if k not in common} for spec in specs]
    return {"common": common, "runs": rest}
