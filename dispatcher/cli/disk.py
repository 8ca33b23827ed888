"""`dispatcher df`, `gc` and `retention`: what uses the disk, and what deletes it."""

from typing import Annotated, Any

import typer

from dispatcher.cli.command import CommandResult, command
from dispatcher.cli.context import CommandContext
from dispatcher.cli.output import Format
from dispatcher.client.api import retention
from dispatcher.client.errors import UserErrorException

app = typer.Typer(help="The rules by which data is deleted.", no_args_is_help=True)
JsonOption = Annotated[bool, typer.Option("--json", help="The same as -o json.")]
_UNITS = ("B", "kB", "MB", "GB", "TB")


def df(scope: CommandContext, as_json: JsonOption = False) -> CommandResult | None:
    """Show what uses the disk: by kind, and the largest experiments and runs."""
    usage = retention.usage(scope.service)
    if as_json or scope.wants_result:
        scope.output = Format.JSON if as_json else scope.output
        return CommandResult(usage)
    for title, rows in (("", usage["kinds"]), ("largest experiments", usage["experiments"]),
                        ("largest runs", usage["runs"])):  # fmt: skip
        if title and rows:
            typer.echo(f"\n{title}")
        for row in rows:
            size = row["bytes"] if "bytes" in row else row["files"] + row["logs"]
            typer.echo(f"{readable(size):>10}  {row.get('kind') or row['name']}")
    typer.echo(f"\n{readable(usage['free']):>10}  free")
    return None


def gc(
    scope: CommandContext,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Delete nothing; say what would be deleted.")
    ] = False,
    rules: Annotated[
        list[str] | None,
        typer.Option("--rule", help="name=value for this collection alone, such as runs_age=30d."),
    ] = None,
    as_json: JsonOption = False,
) -> CommandResult | None:
    """Delete what the rules say, and what nothing refers to any more."""
    deleted = retention.collect(scope.service, dry_run=dry_run, changes=_changes(rules or ()))
    if as_json or scope.wants_result:
        scope.output = Format.JSON if as_json else scope.output
        return CommandResult({"dry_run": dry_run, "deleted": deleted})
    verb = "would be deleted" if dry_run else "deleted"
    for kind, each in deleted.items():
        if each["count"]:
            typer.echo(f"{readable(each['bytes']):>10}  {each['count']} {kind} {verb}")
    if not any(each["count"] for each in deleted.values()):
        typer.echo("nothing to delete")
    return None


@command(app, "show")
def show_rules(scope: CommandContext) -> CommandResult:
    """The rules: ages in seconds, sizes in bytes; null is without a limit."""
    return CommandResult(retention.rules(scope.service))


@command(app, "set")
def set_rules(
    scope: CommandContext,
    rules: Annotated[list[str], typer.Argument(help="name=value, such as runs_age=90d.")],
) -> CommandResult:
    """Change rules, such as `runs_age=90d logs_age=30d node_snapshots_bytes=20GB`."""
    return CommandResult(retention.change_rules(scope.service, _changes(rules)))


def readable(size: float) -> str:
    """A size as people read it."""
    for unit in _UNITS:
        if size < 1000 or unit == _UNITS[-1]:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    raise AssertionError("the last unit is always used")


def _changes(texts: Any) -> dict[str, str]:
    changes: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UserErrorException(f"{text!r} is not a rule: give name=value, as runs_age=30d.")
        changes[name.strip()] = value.strip()
    return changes
