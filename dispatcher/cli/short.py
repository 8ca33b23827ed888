"""Short commands on runs and targets: `dispatcher logs`, `cancel`, `metrics`, `files`, `download`,
`targets`, `rm`.
"""

from pathlib import Path
from typing import Annotated, Any

import typer

from dispatcher.cli.command import CommandResult
from dispatcher.cli.context import CommandContext
from dispatcher.client.api import runs as api_runs
from dispatcher.client.api import targets
from dispatcher.client.errors import UserErrorException

RunId = Annotated[
    str, typer.Argument(metavar="RUN", help="The run's id, the start of its id, or: latest.")
]
RunIds = Annotated[
    list[str], typer.Argument(metavar="RUN…", help="Ids, starts of ids, or: latest.")
]
TARGET_COLUMNS = ("name", "kind", "capacity", "answers", "description")


def logs(
    scope: CommandContext,
    run: RunId,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Print until the run ends.")
    ] = False,
    name: Annotated[str | None, typer.Option(help="Which log; default: the script's.")] = None,
) -> None:
    """Print the log of RUN."""
    from dispatcher.cli.logs import print_log

    print_log(scope.run(run), name, follow=follow)


def cancel(scope: CommandContext, run: RunIds) -> CommandResult:
    """Cancel runs and their descendants. Runs that have ended stay as they are."""
    canceled = [scope.run(each) for each in run]
    for each in canceled:
        each.cancel()
    return _statuses([(each.id, each.get_status()) for each in canceled])


def metrics(
    scope: CommandContext,
    run: RunId,
    name: Annotated[str | None, typer.Option(help="Only this metric.")] = None,
) -> CommandResult:
    """Show the metrics of RUN: the last value of each, and how many it has."""
    found = scope.run(run).get_metrics(name)
    return CommandResult([_metric(key, value) for key, value in found.items()])


def files(
    scope: CommandContext,
    run: RunId,
    prefix: Annotated[str, typer.Option(help="Only files whose name begins so.")] = "",
) -> CommandResult:
    """List the files of RUN, its logs among them."""
    names = scope.run(run).get_file_names()
    return CommandResult([{"name": name} for name in names if name.startswith(prefix)])


def download(
    scope: CommandContext,
    run: RunId,
    prefix: Annotated[str | None, typer.Argument(help="A file or folder; default: all.")] = None,
    folder: Annotated[
        Path, typer.Option("--output-dir", "-d", help="Folder; created if missing.")
    ] = Path(),
) -> CommandResult:
    """Download the files of RUN, or those of one of its folders."""
    found = scope.run(run)
    names = found.get_file_names()
    if prefix in names:
        wanted = [prefix]
        found.download_file(prefix, str(folder / prefix))
    else:
        below = None if prefix is None else prefix.rstrip("/") + "/"
        wanted = [name for name in names if below is None or name.startswith(below)]
        if not wanted:
            raise UserErrorException(f"Run {found.id} has no file or folder {prefix!r}.")
        found.download_files(prefix=below, output_directory=str(folder))
    return CommandResult([{"name": name, "file": str(folder / name)} for name in wanted])


def list_targets(scope: CommandContext) -> CommandResult:
    """List the compute targets of the workspace."""
    return CommandResult(targets.read_all(scope.service), TARGET_COLUMNS)


def rm(
    scope: CommandContext,
    run: RunIds,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> CommandResult:
    """Delete runs and their descendants for good. All of them must have ended."""
    ids = [scope.run(each).id for each in run]
    if not yes:
        named = f"run {ids[0]}" if len(ids) == 1 else f"{len(ids)} runs"
        typer.confirm(f"Delete {named} with metrics, logs and files?", abort=True, err=True)
    deleted = [{"run": each, "deleted": api_runs.delete(scope.service, each)} for each in ids]
    return CommandResult(deleted)


def _metric(name: str, value: Any) -> dict[str, Any]:
    values = value if isinstance(value, list) else [value]
    return {"name": name, "value": values[-1] if values else None, "count": len(values)}


def _statuses(pairs: list[tuple[str, str]]) -> CommandResult:
    return CommandResult([{"run_id": run_id, "status": status} for run_id, status in pairs])
