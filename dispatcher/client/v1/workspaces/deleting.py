"""Ends what runs for a workspace that is deleted: jobs, service and node agents."""

from __future__ import annotations

import os
import time

from dispatcher.client.api import runs, stopping
from dispatcher.client.errors import WaitTimeoutError, WorkspaceException
from dispatcher.client.v1.runs.status import RunStatus

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterator, List

    from dispatcher.client.v1.workspaces.workspace import Workspace

CANCEL_SECONDS = 120.0
_WAIT_SECONDS = 10.0


def end_all(workspace: Workspace, *, cancel_runs: bool) -> None:
    """End the jobs, the embedded service and the node agents of a workspace.

    Args:
        workspace: The workspace; one with a remote service is left alone.
        cancel_runs: Cancel the runs that have not ended, and wait for their ends.

    Raises:
        WorkspaceException: Runs have not ended and `cancel_runs` is False; nothing has changed.
        WaitTimeoutError: A run, the service or an agent does not end.
    """
    folder = workspace.data_folder
    if workspace.location != "local" or not os.path.isdir(folder):
        return
    if os.path.exists(os.path.join(folder, "dispatcher.db")):
        if cancel_runs:
            _cancel(workspace)
        else:
            _require_none_active(workspace)
    stopping.stop_service(folder)
    stopping.stop_agents(folder)


def _require_none_active(workspace: Workspace) -> None:
    for status in _statuses():
        run_id = runs.find_with_job(workspace.service, status)
        if run_id is not None:
            raise WorkspaceException(
                f"Workspace {workspace.name!r} has runs that have not ended, such as {run_id} "
                f"({status}): cancel them first, or wait for them."
            )


def _cancel(workspace: Workspace) -> None:
    deadline = time.monotonic() + CANCEL_SECONDS
    while active := list(_active(workspace)):
        if time.monotonic() > deadline:
            raise WaitTimeoutError(
                f"run {active[0]} of workspace {workspace.name!r} does not end; nothing is deleted"
            )
        for run_id in active:
            runs.cancel(workspace.service, run_id)
        runs.wait(workspace.service, active, _WAIT_SECONDS)


def _active(workspace: Workspace) -> Iterator[str]:
    """Some of the runs with a job that have not ended."""
    for status in _statuses():
        page = runs.page(workspace.service, [("status", status), ("include_children", 1)])
        yield from (record["id"] for record in page["runs"] if not record["interactive"])


def _statuses() -> List[str]:
    return [*RunStatus.get_running_statuses(), *RunStatus.get_post_processing_statuses()]
