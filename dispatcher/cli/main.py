"""`dispatcher …`: the program and its command groups."""

import sys
from typing import Annotated

import typer

from dispatcher import __version__
from dispatcher.cli import (
    disk,
    doctor,
    environments,
    experiments,
    folder,
    migrate,
    runconfigs,
    runs,
    secrets,
    server,
    shim,
    sweep,
    targets,
    tokens,
    workspaces,
)
from dispatcher.cli.command import command

HELP = {"help_option_names": ["--help", "-h"]}
app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings=HELP,
)
GROUPS = {
    "run": runs.app,
    "experiment": experiments.app,
    "computetarget": targets.app,
    "folder": folder.app,
    "runconfig": runconfigs.app,
    "environment": environments.app,
    "workspace": workspaces.app,
    "sweep": sweep.app,
    "token": tokens.app,
    "secret": secrets.app,
    "retention": disk.app,
}
for name, group in GROUPS.items():
    app.add_typer(group, name=name)
app.add_typer(server.app, name="server")
app.add_typer(shim.app, name="shim")
app.add_typer(migrate.app, name="migrate")
command(app, "doctor")(doctor.doctor)
command(app, "df")(disk.df)
command(app, "gc")(disk.gc)


def _print_version(is_requested: bool) -> None:
    if is_requested:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Run training scripts and their child runs on compute you own."""


def main() -> None:
    escape_unprintable_output()
    app()


def escape_unprintable_output() -> None:
    """Escape characters on output that the terminal's encoding lacks, as in names and tags."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


if __name__ == "__main__":
    main()
