"""`dispatcher …`: the program, its command groups and its short commands."""

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from dispatcher import __version__
from dispatcher.cli.exits import Exit
from dispatcher.cli.groups import (
    GROUPS,
    OWN_GROUPS,
    SHORT,
    add_groups,
    add_short_commands,
    first_words,
)

HELP = {"help_option_names": ["--help", "-h"]}
COMPLETION = "_DISPATCHER_COMPLETE"  # set by the shell that asks for completions


def program(words: Sequence[str] = ()) -> typer.Typer:
    """The program with the command of a command line, or with all commands.

    Args:
        words: The words of the command line that are not options. Where the first is not a command,
            the program has all of them, for its help and its errors.
    """
    app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, context_settings=HELP)
    app.callback()(_root)
    called = [each for each in words[:1] if each in {**GROUPS, **OWN_GROUPS, **SHORT}]
    if not called or called[0] in SHORT:
        add_short_commands(app, called)
    if not called or called[0] not in SHORT:
        add_groups(app, {**GROUPS, **OWN_GROUPS}, called)
    return app


def _print_version(is_requested: bool) -> None:
    if is_requested:
        typer.echo(__version__)
        raise typer.Exit


def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Run training scripts and their child runs on compute you own."""


def main() -> None:
    replace_closed_streams()
    escape_unprintable_output()
    words = [] if COMPLETION in os.environ else first_words(sys.argv[1:])
    try:
        try:
            program(words)(prog_name="dispatcher")
        finally:
            sys.stdout.flush()  # here: at the interpreter's end an error would be a traceback
    except OSError as error:  # from the help texts, for instance a full disk
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # for what is still buffered
        if isinstance(error, BrokenPipeError):
            sys.exit(1)
        typer.echo(f"error: {error}", err=True)
        sys.exit(int(Exit.USAGE))


def replace_closed_streams() -> None:
    """Open streams that the shell has closed (`<&-`, `>&-`) on nothing."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115


def escape_unprintable_output() -> None:
    """Escape characters on output that the terminal's encoding lacks, as in names and tags."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


if __name__ == "__main__":
    main()
