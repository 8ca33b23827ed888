"""Registered environments over the wire."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional

    from dispatcher.client.api.connection import ApiConnection
    from dispatcher.client.api.records import EnvironmentRecord


def read_all(connection: ApiConnection) -> List[EnvironmentRecord]:
    """The latest version of each environment."""
    records: List[EnvironmentRecord] = connection.get("/environments")["environments"]
    return records


def read(connection: ApiConnection, name: str, version: Optional[int] = None) -> EnvironmentRecord:
    """One version, by default the latest. ServiceException (404): it is not there."""
    from urllib.parse import quote

    path = f"/environments/{quote(name, safe='')}"
    if version is not None:
        path += f"/versions/{version}"
    record: EnvironmentRecord = connection.get(path)
    return record


def register(connection: ApiConnection, name: str, definition: Dict[str, Any]) -> EnvironmentRecord:
    """Register a definition; an unchanged one keeps its version."""
    body = {"name": name, "definition": definition}
    record: EnvironmentRecord = connection.post("/environments", body)
    return record
