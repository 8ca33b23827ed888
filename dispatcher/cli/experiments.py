"""`dispatcher experiment …`: experiments of the workspace."""

from typing import Annotated

import typer

from dispatcher.cli.command import Shown, command
from dispatcher.cli.context import CommandContext
from dispatcher.client.api import experiments

app = typer.Typer(help="Experiments: what runs are grouped by.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Experiments: what runs are grouped by."""


@command(app, "list", with_query=True)
def list_experiments(
    scope: CommandContext,
    archived: Annotated[bool, typer.Option("--all", help="Archived ones too.")] = False,
) -> Shown:
    """All experiments of the workspace."""
    records = experiments.read_all(scope.service)
    return Shown(
        [each for each in records if archived or not each["archived_at"]],
        ("name", "id", "created_at"),
    )
