"""The log of a run to stdout, by offset: a lost connection is taken up where it broke."""

import sys
from urllib.parse import quote

from dispatcher.client.run import Run

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


def _chosen(run: Run) -> str:
    logs = run.experiment.workspace.service.get(f"/runs/{run.id}/logs")["logs"]
    names = sorted({log["name"] for log in logs})
    return next((n for n in names if n.startswith(PREFERRED)), f"{PREFERRED}.txt")
