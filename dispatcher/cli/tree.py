"""The tree of a run and its descendants: status, target, GPUs, duration; redrawn while it runs."""

from datetime import datetime
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text
from rich.tree import Tree

from dispatcher.cli.output import printable
from dispatcher.client.errors import WaitTimeoutError
from dispatcher.client.v1.runs.run import Run

COLOURS = {"Completed": "green", "Failed": "red", "Canceled": "yellow", "Running": "cyan"}
MAX_SHOWN = 200
TARGET_WARNING = "docker"  # source of warnings that all runs on a target share; printed once


def print_tree(run: Run) -> None:
    """Print the tree of a run to stdout."""
    Console().print(_tree(run))


def follow(run: Run, timeout: float | None = None) -> None:
    """Draw the tree on stderr until the run has ended; do nothing if stderr is not a terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        return
    waited = 0.0
    with Live(_tree(run), console=console, transient=True, auto_refresh=False) as live:
        while timeout is None or waited < timeout:
            try:
                run.wait_for_completion(raise_on_error=False, timeout=1.0)
                return
            except WaitTimeoutError:
                waited += 1.0
                live.update(_tree(run), refresh=True)


def _tree(run: Run) -> Group:
    service = run.experiment.workspace.service
    records = [service.get(f"/runs/{run.id}")]
    pairs: list[tuple[str, str | int]] = [
        ("parent", run.id),
        ("recursive", "true"),
        ("limit", MAX_SHOWN),
    ]
    records += service.get("/runs", pairs)["runs"]
    children: dict[str | None, list[dict[str, Any]]] = {}
    for record in reversed(records[1:]):
        children.setdefault(record["parent_id"], []).append(record)
    root = Tree(_line(records[0]))
    _add_children(root, records[0]["id"], children)
    notes = [
        warning["message"]
        for record in records
        for warning in record["warnings"]
        if warning["source"] == TARGET_WARNING
    ]
    return Group(root, *(Text(printable(note), style="dim") for note in dict.fromkeys(notes)))


def _add_children(
    tree: Tree, run_id: str, children: dict[str | None, list[dict[str, Any]]]
) -> None:
    for record in children.get(run_id, ()):
        _add_children(tree.add(_line(record)), record["id"], children)


def _line(record: dict[str, Any]) -> Text:
    status = record["status"]
    line = Text(f"{printable(record['display_name'] or record['id'])}  ")
    line.append(status, style=COLOURS.get(status, "white"))
    for warning in record["warnings"]:
        if warning["source"] != TARGET_WARNING:
            line.append(f" ({printable(warning['message'])})", style="red")
    line.append(f"  on {record['target']}")
    if record["gpus"]:
        line.append(f"  GPU {','.join(record['gpus'])}")
    if record["nodes"] and record["nodes"] != ["local"]:
        line.append(f" @ {','.join(record['nodes'])}", style="dim")
    duration = _duration(record)
    if duration:
        line.append(f"  {duration}", style="dim")
    return line


def _duration(record: dict[str, Any]) -> str:
    if not record["started_at"] or not record["ended_at"]:
        return ""
    started, ended = (datetime.fromisoformat(record[key]) for key in ("started_at", "ended_at"))
    seconds = (ended - started).total_seconds()
    return f"{seconds:.2f} s" if seconds < 60 else f"{int(seconds) // 60} m {int(seconds) % 60} s"
