"""Sweeps over the wire."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Sequence, Tuple, Union

    from dispatcher.client.api.connection import ApiConnection
    from dispatcher.client.api.records import RunRecord

    Query = Sequence[Tuple[str, Union[str, int, float]]]


def submit(connection: ApiConnection, spec: Dict[str, Any]) -> RunRecord:
    """Submit a sweep and return the record of its run."""
    record: RunRecord = connection.post("/sweeps", spec)
    return record


def read(connection: ApiConnection, sweep_id: str) -> Dict[str, Any]:
    """What was asked for, how many trials stand how, and whether the sweep is paused."""
    answer: Dict[str, Any] = connection.get(f"/sweeps/{sweep_id}")
    return answer


def read_part(
    connection: ApiConnection, sweep_id: str, part: str, query: Query = ()
) -> Dict[str, Any]:
    """Read `trials`, `ranking` or `front`. ServiceException (404): the run is not a sweep."""
    answer: Dict[str, Any] = connection.get(f"/sweeps/{sweep_id}/{part}", query)
    return answer


def steer(connection: ApiConnection, sweep_id: str, verb: str, body: Any = None) -> Dict[str, Any]:
    """`pause`, `resume`, `extend`, `retry` or `again`."""
    answer: Dict[str, Any] = connection.post(f"/sweeps/{sweep_id}/{verb}", body)
    return answer
