"""`dispatcher experiment …`: experiments of the workspace."""

from typing import Annotated

import typer

from dispatcher.cli.command import CommandResult, command
from dispatcher.cli.context import CommandContext
from dispatcher.client.api import experiments
from dispatcher.client.v1.workspaces.experiment import check_experiment_name

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


@command(app, "delete")
def delete_experiment(
    scope: CommandContext,
    name: Annotated[str, typer.Argument(metavar="EXPERIMENT", help="Its name.")],
    with_runs: Annotated[
        bool, typer.Option("--with-runs", help="Delete its runs for good, too.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> CommandResult:
    """Delete EXPERIMENT. All of its runs must have ended."""
    check_experiment_name(name)
    if with_runs and not yes:
        question = f"Delete experiment {name} with all runs, their metrics, logs and files?"
        typer.confirm(question, abort=True, err=True)
    experiments.delete(scope.service, name, with_runs=with_runs)
    return CommandResult({"experiment": name, "deleted": True})
