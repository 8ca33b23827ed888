"""`dispatcher server …`: the service of a workspace. The embedded service starts by itself."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from dispatcher.cli.command import CommandResult, command
from dispatcher.cli.context import CommandContext
from dispatcher.cli.exits import Exit
from dispatcher.client.api import health, service, service_lock, stopping

app = typer.Typer(help="The service of a workspace.", no_args_is_help=True)


@app.command()
def run(
    data_dir: Annotated[Path, typer.Option(help="The folder of the service's data.")],
) -> None:
    """Run the service in the foreground until SIGTERM or SIGINT."""
    from dispatcher.core.errors import DispatcherError
    from dispatcher.server.run import serve
    from dispatcher.server.settings import read_settings

    try:
        serve(read_settings(data_dir.resolve()))
    except DispatcherError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(Exit.USAGE) from error


@command(app)
def start(scope: CommandContext) -> CommandResult:
    """Start the workspace's service in the background, if it is not running."""
    health.read(scope.service)
    return CommandResult(_facts(Path(scope.workspace.data_folder)))


@command(app)
def status(scope: CommandContext) -> CommandResult:
    """Show whether the service is running, and its address; exit code 5 if it is not."""
    data = Path(scope.workspace.data_folder)
    if service.find(str(data)) is None:
        service_lock.require_reachable(str(data))  # one that runs elsewhere is not called stopped
        return CommandResult({"running": False, "data": str(data)}, code=Exit.UNREACHABLE)
    return CommandResult(_facts(data))


@command(app)
def stop(scope: CommandContext) -> None:
    """Stop the service. Running jobs continue, and the next service finds them."""
    stopped = stopping.stop_service(scope.workspace.data_folder)
    typer.echo("the service has stopped" if stopped else "no service is running")


def _facts(data: Path) -> dict[str, Any]:
    facts = json.loads((data / "service.json").read_text())
    public = {key: value for key, value in facts.items() if key != "token"}
    return {"running": True, **public, "data": str(data)}
