"""`dispatcher run list` and `dispatcher ps`: lists of runs."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from dispatcher.cli import unsupported
from dispatcher.cli.command import CommandResult
from dispatcher.cli.context import CommandContext
from dispatcher.cli.records import COLUMNS, MINIMAL, minimal, record
from dispatcher.client.api import runs as api_runs
from dispatcher.client.errors import UserErrorException

if TYPE_CHECKING:
    from dispatcher.client.api.records import RunRecord

PAGE = 1000
StatusName = Literal[
    "Starting", "Preparing", "Queued", "Provisioning", "Running", "Finalizing",
    "CancelRequested", "Completed", "Failed", "Canceled",
]  # fmt: skip


def list_runs(
    scope: CommandContext,
    experiment: Annotated[str | None, typer.Option("--experiment-name", "-e")] = None,
    last: Annotated[int, typer.Option(help="Number of runs, newest first.", min=1)] = 10,
    status: Annotated[StatusName | None, typer.Option(help="Only runs with this status.")] = None,
    target: Annotated[str | None, typer.Option("--compute-target-name")] = None,
    parent: Annotated[
        str | None, typer.Option("--parent-run-id", help="Children of this run.")
    ] = None,
    recursive: Annotated[
        bool, typer.Option("--recursive", help="With --parent-run-id: all descendants.")
    ] = False,
    tags: Annotated[list[str] | None, typer.Option("--tags", help="key or key=value.")] = None,
    properties: Annotated[
        list[str] | None, typer.Option("--properties", help="key or key=value.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Include children.")] = False,
    lean: Annotated[
        bool, typer.Option("--minimal", help="Id, type, status, times, target, tags.")
    ] = False,
    pipeline: Annotated[str | None, typer.Option("--pipeline-run-id", hidden=True)] = None,
) -> CommandResult:
    """List runs, newest first. Children are listed with --parent-run-id or --all."""
    if pipeline is not None:
        raise UserErrorException("--pipeline-run-id: " + unsupported.PIPELINES)
    if recursive and not parent:
        raise UserErrorException("--recursive needs --parent-run-id.")
    if parent:
        scope.run(parent)
    pairs: list[tuple[str, Any]] = [
        ("experiment", experiment),
        ("status", status),
        ("target", target),
        ("parent", parent),
        ("recursive", recursive or None),
        ("include_children", everything or None),
        *(("tag", tag) for tag in tags or ()),
        *(("property", prop) for prop in properties or ()),
    ]
    query = [(key, str(value)) for key, value in pairs if value is not None]
    views = _pages(scope, query, last)
    if lean:
        return CommandResult([minimal(view) for view in views], tuple(MINIMAL))
    return CommandResult([record(view) for view in views], COLUMNS)


def _pages(scope: CommandContext, query: list[tuple[str, str]], count: int) -> "list[RunRecord]":
    """The first `count` runs, read page by page."""
    records: dict[str, RunRecord] = {}  # a run that starts between two pages is listed twice
    cursor: str | None = None
    while len(records) < count:
        size = min(count - len(records), PAGE)
        page = api_runs.page(scope.service, [*query, ("limit", size)], cursor)
        records.update((record["id"], record) for record in page["runs"])
        cursor = page["next"]
        if cursor is None:
            break
    return list(records.values())
