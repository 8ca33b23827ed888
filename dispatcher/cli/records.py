"""A run's record as the command line shows it: v1's keys first, then the service's own."""

from collections.abc import Mapping
from typing import Any

V1 = {
    "run_id": "id",
    "run_number": "number",
    "root_run_id": "root_id",
    "parent_run_id": "parent_id",
    "run_type": "type",
    "created_utc": "created_at",
    "start_time_utc": "started_at",
    "end_time_utc": "ended_at",
    "run_definition": "definition",
    "_experiment_name": "experiment",
}
MINIMAL = {
    "RunId": "id",
    "RunType": "type",
    "Status": "status",
    "StartTime": "started_at",
    "EndTime": "ended_at",
    "Target": "target",
    "Tags": "tags",
}
COLUMNS = ("run_id", "status", "target", "display_name", "start_time_utc", "end_time_utc")


def record(view: Mapping[str, Any]) -> dict[str, Any]:
    """The service's view of a run, under v1's keys and the service's own."""
    v1_fields = {key: view[own] for key, own in V1.items()}
    script = (view["definition"] or {}).get("script")
    return {
        **v1_fields,
        "script_name": script,
        "hidden": False,
        **{key: value for key, value in view.items() if key != "definition"},
    }


def minimal(view: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a run in `run list --minimal`."""
    return {key: view[own] for key, own in MINIMAL.items()}
