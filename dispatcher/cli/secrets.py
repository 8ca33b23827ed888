"""`dispatcher secret …`: secrets that runs and targets refer to as `secret://NAME`."""

import sys
from typing import Annotated

import typer

from dispatcher.cli.command import CommandResult, command
from dispatcher.cli.context import CommandContext
from dispatcher.wire import encoding

app = typer.Typer(help="Secrets that runs and targets refer to by name.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="The secret's name.")]


@command(app, "set")
def set_secret(scope: CommandContext, name: Name) -> None:
    """Store a secret; the value is prompted for, or read from standard input."""
    value = typer.prompt("Value", hide_input=True) if sys.stdin.isatty() else sys.stdin.read()
    body = encoding.dumps({"value": value.rstrip("\n")})
    scope.service.send("PUT", f"/secrets/{name}", (), body)


@command(app, "list", with_query=True)
def list_secrets(scope: CommandContext) -> CommandResult:
    """The names of the secrets; values are not shown."""
    names = scope.service.get("/secrets")["secrets"]
    return CommandResult([{"name": name} for name in names], ("name",))


@command(app, "remove")
def remove_secret(scope: CommandContext, name: Name) -> None:
    """Delete a secret; runs that refer to it fail when they start."""
    scope.service.delete(f"/secrets/{name}")
