"""Experiments over the wire."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List

    from dispatcher.client.api.connection import ApiConnection
    from dispatcher.client.api.records import ExperimentRecord


def read_all(connection: ApiConnection) -> List[ExperimentRecord]:
    """All experiments."""
    records: List[ExperimentRecord] = connection.get("/experiments")["experiments"]
    return records


def require(connection: ApiConnection, name: str) -> ExperimentRecord:
    """Read an experiment; it is made if it is not there."""
    record: ExperimentRecord = connection.post(f"/experiments/{name}")
    return record


def change(connection: ApiConnection, name: str, fields: Dict[str, Any]) -> ExperimentRecord:
    """Change tags, or archive it."""
    record: ExperimentRecord = connection.patch(f"/experiments/{name}", fields)
    return record


def delete(connection: ApiConnection, name: str, *, with_runs: bool = False) -> None:
    """Delete an experiment; with its runs for good, if asked for.

    ServiceException (409): it has runs and not `with_runs`, or one of them has not ended.
    """
    query = [("with_runs", "true")] if with_runs else []
    while not connection.delete(f"/experiments/{name}", query)["complete"]:
        pass
