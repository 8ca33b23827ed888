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
    """Print one log: all that is there, or all that comes until the run ends."""
    service = run.experiment.workspace.service
    chosen = name or _chosen(run)
    offset = 0
    while True:
        wait = 30 if follow else 0
        answer = service.send(
            "GET",
            f"/runs/{run.id}/logs/{quote(chosen)}",
            query=[("offset", offset), ("wait", wait)],
        )
        sys.stdout.buffer.write(answer.body)
        sys.stdout.buffer.flush()
        offset += len(answer.body)
        done = answer.headers.get("X-Complete") or answer.headers.get("x-complete")
        if done or (not follow and not answer.body):
            return


def download(run: Run, folder: str) -> list[dict[str, Any]]:
    """Write all logs of a run below a folder; what was written.

    Raises:
        UserErrorException: The folder is a file, or a log's name leads out of the folder.
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
            raise UserErrorException(f"log {name!r} of run {run.id} leads out of {folder}.")
        logs.download(service, run.id, name, str(path))
        written.append({"name": name, "file": str(path), "bytes": path.stat().st_size})
    return written


def _chosen(run: Run) -> str:
    names = sorted(logs.names(run.experiment.workspace.service, run.id))
    return next((n for n in names if n.startswith(PREFERRED)), f"{PREFERRED}.txt")
