"""`az …` for scripts that were written for Azure ML's CLI v1.

This program runs `az ml`. Commands for Azure itself (`az login`, `az account set`, …) succeed
with a note, so that such scripts continue. Other commands are passed to an installed Azure CLI;
without one they fail with an error that says so.
"""

import functools
import getpass
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import typer

from dispatcher import __version__
from dispatcher.cli import unsupported
from dispatcher.cli.command import OUTPUT_VARIABLE, CommandResult, command
from dispatcher.cli.context import CommandContext
from dispatcher.cli.exits import Exit
from dispatcher.cli.groups import GROUPS, add_groups, first_words
from dispatcher.cli.main import HELP, escape_unprintable_output

app = typer.Typer(
    name="az",
    help="`az ml` of CLI v1, answered by dispatcher.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings=HELP,
)
ml = typer.Typer(help="Azure ML's CLI v1, answered by dispatcher.", no_args_is_help=True)
account = typer.Typer(help="Accepted, without effect.", no_args_is_help=True)
app.add_typer(ml, name="ml")
app.add_typer(account, name="account")
unsupported.register(ml, unsupported.GROUPS, "az ml ")

_ANYTHING = {"ignore_unknown_options": True, "allow_extra_args": True}
_HERE = "dispatcher runs on compute you own"
_ACCEPTED = {
    "login": f"there is nothing to log in to: {_HERE}",
    "logout": f"there is nothing to log out of: {_HERE}",
    "configure": "defaults have no effect: `az ml folder attach -w NAME` sets the workspace of a "
    "folder",
    "extension": "`az ml` is built in, no extension is needed",
}


def _accept(app: typer.Typer, name: str, reason: str) -> None:
    @app.command(name, context_settings=_ANYTHING, add_help_option=False)
    def accept() -> None:
        """Accepted, without effect."""
        typer.echo(f"note: az {name}: {reason}", err=True)


for name, reason in _ACCEPTED.items():
    _accept(app, name, reason)
_accept(account, "set", f"there is no subscription to choose: {_HERE}")
_accept(account, "clear", f"there is no account: {_HERE}")


@command(account, "show")
def show_account(_scope: CommandContext) -> CommandResult:
    """An account in az's shape, for scripts that call `az account show`."""
    return CommandResult(_account())


@command(account, "list", with_query=True)
def list_accounts(_scope: CommandContext) -> CommandResult:
    """The one account."""
    return CommandResult([_account()])


@functools.cache
def program(words: tuple[str, ...] = ()) -> typer.Typer:
    """The program with the group of a command line, or with all groups.

    Args:
        words: The words of the command line that are not options.
    """
    called = words[1] if words[:1] == ("ml",) and len(words) > 1 else ""
    add_groups(ml, GROUPS, [called] if called in GROUPS else [])
    return app


def main() -> None:
    escape_unprintable_output()
    subcommand = next((each for each in sys.argv[1:] if not each.startswith("-")), None)
    if "--version" in sys.argv[1:2]:
        typer.echo(f"azure-cli-ml answered by dispatcher {__version__}")
        return
    handled = {"ml", "account", *_ACCEPTED}
    if subcommand is not None and subcommand not in handled:
        _exec_azure_cli(subcommand)
    os.environ.setdefault(OUTPUT_VARIABLE, "json")
    program(tuple(first_words(sys.argv[1:])))(prog_name="az")


def _exec_azure_cli(subcommand: str) -> None:
    """Replace this process by an installed Azure CLI, or exit with an error without one."""
    own = {os.path.realpath(folder) for folder in _own_folders()}
    others = [
        folder
        for folder in os.environ.get("PATH", "").split(os.pathsep)
        if os.path.realpath(folder) not in own
    ]
    azure_cli = shutil.which("az", path=os.pathsep.join(others))
    if azure_cli is not None:
        os.execv(azure_cli, [azure_cli, *sys.argv[1:]])
    typer.echo(
        f"error: az {subcommand}: dispatcher supports `az ml` only, and no Azure CLI is installed.",
        err=True,
    )
    sys.exit(Exit.USAGE)


def _own_folders() -> list[str]:
    program = os.environ.get("DISPATCHER_AZ")
    return [str(Path(program).parent)] if program else []


def _account() -> dict[str, Any]:
    return {
        "id": "local",
        "isDefault": True,
        "name": "dispatcher",
        "state": "Enabled",
        "tenantId": "local",
        "user": {"name": _user(), "type": "user"},
    }


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no entry in /etc/passwd, and no variable names the user
        return str(os.getuid())


if __name__ == "__main__":
    main()
