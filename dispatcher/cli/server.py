"""`dispatcher server …`: the service of a workspace."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="The service of a workspace.", no_args_is_help=True)


@app.command()
def run(
    data_dir: Annotated[Path, typer.Option(help="Where the service keeps everything.")],
) -> None:
    """Run the service in the foreground until it is told to stop."""
    from dispatcher.server.run import AlreadyRunning, serve
    from dispatcher.server.settings import Settings

    try:
        serve(Settings(data_dir=data_dir.resolve()))
    except AlreadyRunning as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from error
