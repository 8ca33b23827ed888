"""The life of data over the wire: what uses the disk, rules, garbage collection."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Mapping

    from dispatcher.client.api.connection import ApiConnection

_COLLECTION_SECONDS = 4 * 3600.0


def usage(connection: ApiConnection, largest: int = 20) -> Dict[str, Any]:
    """What uses the disk: `kinds` of data, `free`, the largest `runs` and `experiments`."""
    record: Dict[str, Any] = connection.get(
        "/usage", [("largest", largest)], timeout=_COLLECTION_SECONDS
    )
    return record


def rules(connection: ApiConnection) -> Dict[str, Any]:
    """The rules by which data is deleted, by name: seconds, bytes or counts; None: no limit."""
    record: Dict[str, Any] = connection.get("/retention")
    return record


def change_rules(connection: ApiConnection, changes: Mapping[str, Any]) -> Dict[str, Any]:
    """Change some of the rules; the values are numbers, None, or texts such as 30d and 20GB."""
    record: Dict[str, Any] = connection.patch("/retention", dict(changes))
    return record


def collect(
    connection: ApiConnection, *, dry_run: bool = False, changes: Mapping[str, Any] = {}
) -> Dict[str, Dict[str, int]]:
    """Collect garbage, and return what was deleted of each kind: `count` and `bytes`.

    Args:
        connection: The service.
        dry_run: Delete nothing, and return what would be deleted.
        changes: Rules that differ for this collection.
    """
    body = {"dry_run": dry_run, "rules": dict(changes)}
    deleted: Dict[str, Dict[str, int]] = connection.ask("/gc", body, timeout=_COLLECTION_SECONDS)[
        "deleted"
    ]
    return deleted
