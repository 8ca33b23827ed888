"""`dispatcher server …`: the service of a workspace. The embedded one needs none of these."""

import json
import os
import signal
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from dispatcher.cli.context import HERE, Folder, WorkspaceName, errors_told, workspace
from dispatcher.cli.exits import Exit
from dispatcher.cli.output import Output, show
from dispatcher.client import service

app = typer.Typer(help="The service of a workspace.", no_args_is_help=True)
STOP_SECONDS = 20


@app.command()
def run(
    data_dir: Annotated[Path, typer.Option(help="Where the service keeps everything.")],
) -> None:
    """Run the service in the foreground until it is told to stop."""
    from dispatcher.core.errors import DispatcherError
    from dispatcher.server.run import serve
    from dispatcher.server.settings import Settings

    try:
        serve(Settings(data_dir=data_dir.resolve()))
    except DispatcherError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(Exit.USAGE) from error


@app.command()
def start(path: Folder = HERE, workspace_name: WorkspaceName = None, output: Output = None) -> None:
    """Start the workspace's service in the background, if it is not running."""
    with errors_told():
        ws = workspace(workspace_name, path)
        ws.service.get("/health")
        show(_facts(Path(ws.data_folder)), output, None)


@app.command()
def status(
    path: Folder = HERE, workspace_name: WorkspaceName = None, output: Output = None
) -> None:
    """Say whether the service runs, and where; exit code 5 if it does not."""
    with errors_told():
        data = Path(workspace(workspace_name, path).data_folder)
        alive = service.find(str(data)) is not None
        show(_facts(data) if alive else {"running": False, "data": str(data)}, output, None)
        if not alive:
            raise typer.Exit(Exit.UNREACHABLE)


@app.command()
def stop(path: Folder = HERE, workspace_name: WorkspaceName = None) -> None:
    """Stop the service. Runs that are going go on; the next service finds them."""
    with errors_told():
        data = Path(workspace(workspace_name, path).data_folder)
        if service.find(str(data)) is None:
            typer.echo("no service is running")
            return
        pid = int(json.loads((data / "service.json").read_text())["pid"])
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while (data / "service.json").exists():
            if time.monotonic() > deadline:
                typer.echo(f"error: process {pid} does not end; see {data}/service.log", err=True)
                raise typer.Exit(Exit.TIMEOUT)
            time.sleep(0.05)
        typer.echo("the service has stopped")


def _facts(data: Path) -> dict[str, Any]:
    told = json.loads((data / "service.json").read_text())
    shown = {key: value for key, value in told.items() if key != "token"}
    return {"running": True, **shown, "data": str(data)}
