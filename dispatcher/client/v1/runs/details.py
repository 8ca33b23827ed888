"""Conversion of a run's record into the dict of `get_details`, with v1's keys and shapes."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Mapping


def details(record: Mapping[str, Any], logs: Dict[str, str]) -> Dict[str, Any]:
    """Build the details; a key whose value is None is left out."""
    facts = {
        "runId": record["id"],
        "target": record.get("target") or "local",
        "status": record["status"],
        "startTimeUtc": record.get("started_at"),
        "endTimeUtc": record.get("ended_at"),
        "services": {},
        "error": record.get("error"),
        "warnings": record.get("warnings") or None,
        "properties": record.get("properties") or {},
        "inputDatasets": [],
        "outputDatasets": [],
        "runDefinition": record.get("definition"),
        "logFiles": logs,
        "submittedBy": record.get("submitted_by"),
    }
    return {key: value for key, value in facts.items() if value is not None}
