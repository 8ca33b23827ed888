"""`dispatcher …`: joins the command groups."""

from typing import Annotated

import typer

from dispatcher import __version__
from dispatcher.cli import doctor, experiments, folder, runs, server, targets

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.add_typer(runs.app, name="run")
app.add_typer(experiments.app, name="experiment")
app.add_typer(targets.app, name="computetarget")
app.add_typer(folder.app, name="folder")
app.add_typer(server.app, name="server")
app.command("doctor")(doctor.doctor)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which.")
    ] = False,
) -> None:
    """Run training scripts and their child runs on compute you own."""


def main() -> None:
    app()


if __name__ == "__main__":
    main()
