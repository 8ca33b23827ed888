"""Runs one ending on a target and checks all that is said of it."""

from typing import Any

from dispatcher.client.api.snapshots.snapshot import Snapshots
from tests.acceptance.endings import Ending
from tests.rigs.desk import Desk


def check_ending(desk: Desk, ending: Ending, target: str, method: str = "auto") -> None:
    """Submit, wait, and compare status, error text, exit code and attempts."""
    run_id = submit(desk, ending, target, method)
    view = wait(desk, run_id)
    assert view["status"] == ending.status, view
    assert view["exit_code"] == ending.exit_code
    message = "" if view["error"] is None else view["error"]["error"]["message"]
    for word in ending.words:
        assert word in message, message
    assert bool(message) == (ending.status == "Failed")
    attempts = desk.attempts(run_id)
    assert len(attempts) == 1, "a script that ends by its own fault is not tried again"
    assert attempts[0]["evidence"]["exit_code"] == ending.exit_code


def submit(desk: Desk, ending: Ending, target: str, method: str) -> str:
    """By the API, because the SDK already refuses a missing script at the desk."""
    folder = "".join(c if c.isalnum() else "-" for c in f"{ending.name}-{target}-{method}")
    source = desk.source(folder, main=ending.script)
    spec: dict[str, Any] = {
        "id": f"run-{folder}",
        "experiment": "acceptance",
        "script": ending.script_name,
        "snapshot": Snapshots(desk.workspace.service, str(desk.root)).take(source),
        "target": target,
        "start_method": method,
        "grace_seconds": 1,
        **ending.fields,
    }
    desk.workspace.service.post("/runs", {"runs": [spec]})
    return str(spec["id"])


def wait(desk: Desk, run_id: str, seconds: float = 90) -> dict[str, Any]:
    """The run once it has ended."""
    desk.workspace.get_run(run_id).wait_for_completion(raise_on_error=False, timeout=seconds)
    return desk.view(run_id)
