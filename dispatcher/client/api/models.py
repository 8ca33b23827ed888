"""Models over the wire."""

from __future__ import annotations

from dispatcher.client.api.run_path import run_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional

    from dispatcher.client.api.connection import ApiConnection
    from dispatcher.client.api.records import ModelRecord


def find(connection: ApiConnection, name: Optional[str] = None) -> List[ModelRecord]:
    """All models, or all versions of one, newest first."""
    query = [("name", name)] if name else []
    records: List[ModelRecord] = connection.get("/models", query)["models"]
    return records


def register(connection: ApiConnection, run_id: str, fields: Dict[str, Any]) -> ModelRecord:
    """Register files of a run as the next version of a model."""
    record: ModelRecord = connection.post(f"{run_path(run_id)}/models", fields)
    return {"run_id": run_id, **record}
