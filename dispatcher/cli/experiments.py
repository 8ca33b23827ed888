"""`dispatcher experiment …`: experiments of the workspace."""

from typing import Annotated

import typer

from dispatcher.cli.command import CommandResult, command
from dispatcher.cli.context import CommandContext
from dispatcher.client.api import experiments

app = typer.Typer(help="Experiments: groups of runs.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Experiments: groups of runs."""


@command(app, "list", with_query=True)
def list_experiments(
    scope: CommandContext,
    archived: Annotated[bool, typer.Option("--all", help="Include archived ones.")] = False,
) -> CommandResult:
    """All experiments of the workspace."""
    records = experiments.read_all(scope.service)
    return CommandResult(
        [each for each in records if archived or not each["archived_at"]],
        ("name", "id", "created_at"),
    )
