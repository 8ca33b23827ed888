"""Whether a service answers, and which one it is."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict

    from dispatcher.client.api.connection import ApiConnection


def diagnostics(connection: ApiConnection) -> Dict[str, Any]:
    """What is wrong with the service: its store, and runs that it leaves alone."""
    record: Dict[str, Any] = connection.get("/diagnostics")
    return record


def read(connection: ApiConnection) -> Dict[str, Any]:
    """`ok`, `version` and `service_id`. Raises ServerUnreachable."""
    answer: Dict[str, Any] = connection.get("/health")
    return answer
