"""Compute targets over the wire."""

from __future__ import annotations

from dispatcher.wire import encoding

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List

    from dispatcher.client.api.connection import ApiConnection
    from dispatcher.client.api.records import TargetRecord


def read_all(connection: ApiConnection) -> List[TargetRecord]:
    """All targets."""
    records: List[TargetRecord] = connection.get("/targets")["targets"]
    return records


def read(connection: ApiConnection, name: str) -> TargetRecord:
    """One target. ServiceException (404): there is none of that name."""
    record: TargetRecord = connection.get(_path(name))
    return record


def put(connection: ApiConnection, name: str, config: Dict[str, Any]) -> TargetRecord:
    """Store a target's configuration. TypeError: it holds what JSON cannot."""
    body = encoding.dumps({"name": name, **config})
    record: TargetRecord = connection.send("PUT", _path(name), (), body).json()
    return record


def ping(connection: ApiConnection, name: str) -> Dict[str, Any]:
    """Ask whether a target answers."""
    record: Dict[str, Any] = connection.post(f"{_path(name)}/ping", {})
    return record


def clear(connection: ApiConnection, name: str) -> Dict[str, Any]:
    """End the orphan jobs of a target."""
    record: Dict[str, Any] = connection.post(f"{_path(name)}/clear", {})
    return record


def delete(connection: ApiConnection, name: str) -> None:
    """Take a target out of the service."""
    connection.send("DELETE", _path(name))


def _path(name: str) -> str:
    from urllib.parse import quote

    return f"/targets/{quote(name, safe='')}"
