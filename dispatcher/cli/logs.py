"""The logs of a run: to stdout by offset, or into a folder."""

import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

from dispatcher.client.api import logs
from dispatcher.client.errors import UserErrorException
from dispatcher.client.v1.runs.run import Run

PREFERRED = "user_logs/std_log"


def print_log(run: Run, name: str | None, *, follow: bool) -> None:
    """Print one log: its present content, or with `follow` all of it until the run ends."""
    service = run.experiment.workspace.service
    log_name = name or _script_log(run)
    offset = 0
    while True:
        wait = 30 if follow else 0
        answer = service.send(
            "GET",
            f"/runs/{run.id}/logs/{quote(log_name)}",
            query=[("offset", offset), ("wait", wait)],
        )
        sys.stdout.buffer.write(answer.body)
        sys.stdout.buffer.flush()
        offset += len(answer.body)
        is_complete = answer.headers.get("X-Complete") or answer.headers.get("x-complete")
        if is_complete or (not follow and not answer.body):
            return


def download(run: Run, folder: str) -> list[dict[str, Any]]:
    """Write all logs of a run below a folder; return name, file and size of each.

    Raises:
        UserErrorException: The folder is a file, or a log's name leads outside the folder.
    """
    root = Path(folder)
    if root.exists() and not root.is_dir():
        raise UserErrorException(f"--output-dir {folder} is a file.")
    root.mkdir(parents=True, exist_ok=True)
    service = run.experiment.workspace.service
    written = []
    for name in logs.names(service, run.id):
        path = root / name
        if not path.resolve().is_relative_to(root.resolve()):
            raise UserErrorException(f"log {name!r} of run {run.id} leads outside {folder}.")
        logs.download(service, run.id, name, str(path))
        written.append({"name": name, "file": str(path), "bytes": path.stat().st_size})
    return written


def _script_log(run: Run) -> str:
    names = sorted(logs.names(run.experiment.workspace.service, run.id))
    return next((n for n in names if n.startswith(PREFERRED)), f"{PREFERRED}.txt")
