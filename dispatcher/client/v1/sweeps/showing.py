"""`wait_for_completion(show_output=True)` of a sweep: prints its log and its best trials."""

from __future__ import annotations

import time

from dispatcher.client.console import echo, write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Tuple

    from dispatcher.client.v1.sweeps.run import HyperDriveRun

LOG = "azureml-logs/hyperdrive.txt"
_LOOK_SECONDS = 1.0
_SHOWN = 10


def show(run: HyperDriveRun, timeout: Optional[float] = None) -> None:
    """Print the log while it grows, a line whenever the counts change, and the table at the end.

    Raises:
        ExperimentExecutionException: Ctrl-C; the sweep goes on.
        WaitTimeoutError: The time is over; the sweep goes on.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    try:
        echo(f"RunId: {run.id}\nWeb View: {run.get_portal_url()}\n")
        echo(f"Streaming {LOG}\n{'=' * (len(LOG) + 10)}\n")
        _follow(run, deadline)
        echo("\nExecution Summary\n=================")
        echo(f"RunId: {run.id}\nWeb View: {run.get_portal_url()}\n")
        echo(table(run.get_children_sorted_by_primary_metric(top=_SHOWN)))
    except KeyboardInterrupt as error:
        from dispatcher.client.errors import ExperimentExecutionException

        raise ExperimentExecutionException(
            "The output streaming for the run interrupted.\nBut the run is still executing on the "
            f"compute target. It can be watched again by its id {run.id}, or ended with cancel()."
        ) from error


def table(children: List[Dict[str, Any]]) -> str:
    """The children as a table."""
    heads = ("run", "status", "best", "hyperparameters")
    rows: List[Tuple[str, ...]] = [heads]
    for child in children:
        best = child["best_primary_metric"]
        shown = "-" if best is None else f"{best:.6g}"
        rows.append((child["run_id"], child["status"], shown, child["hyperparameters"]))
    widths = [max(len(row[k]) for row in rows) for k in range(len(heads))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)) for row in rows]  # noqa: B905
    return "\n".join(line.rstrip() for line in lines)


def _follow(run: HyperDriveRun, deadline: Optional[float]) -> None:
    offset, shown, over = 0, "", run._is_over()
    while True:
        offset = _print_more(run, offset)
        line = _standing(run)
        if line != shown:
            shown = line
            echo(line)
        if over:
            return
        over = run._wait_for_change(deadline, _LOOK_SECONDS)


def _print_more(run: HyperDriveRun, offset: int) -> int:
    from dispatcher.client.api import logs

    while True:
        data, following, _ = logs.read(run._service, run.id, LOG, offset)
        if not data:
            return following
        # The service writes whole lines.
        write(data.decode("utf-8", "replace"))
        offset = following


def _standing(run: HyperDriveRun) -> str:
    shown = run.progress()
    counts = ", ".join(f"{n} {status}" for status, n in sorted(shown["trials"].items()))
    best = run.get_children_sorted_by_primary_metric(top=1, discard_no_metric=True)
    tail = f"; best {best[0]['best_primary_metric']:.6g} of {best[0]['run_id']}" if best else ""
    paused = " (paused)" if shown["paused"] and not shown["terminal"] else ""
    total = shown["spec"]["max_total_runs"]
    return f"{sum(shown['trials'].values())} of {total}{paused}: {counts or 'none yet'}{tail}"
