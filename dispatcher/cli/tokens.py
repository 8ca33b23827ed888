"""`dispatcher token …`: tokens of users and service accounts."""

import time
from typing import Annotated

import typer

from dispatcher.cli.command import CommandResult, command
from dispatcher.cli.context import CommandContext

app = typer.Typer(help="Tokens of users and service accounts.", no_args_is_help=True)
COLUMNS = ("id", "name", "kind", "role", "expires_at", "revoked_at", "last_used_at")
DAY = 86_400.0


@command(app, "create", with_query=True)
def create_token(
    scope: CommandContext,
    name: Annotated[str, typer.Argument(help="Name of the user or account.")],
    role: Annotated[str, typer.Option(help="owner, contributor or reader.")] = "contributor",
    service_account: Annotated[
        bool, typer.Option("--service-account", help="For a program instead of a person.")
    ] = False,
    expires_days: Annotated[
        float | None,
        typer.Option(min=0.001, max=3650, help="Lifetime in days; default: unlimited."),
    ] = None,
) -> CommandResult:
    """Create a token and print it; it cannot be shown again."""
    body = {
        "name": name,
        "role": role,
        "kind": "service_account" if service_account else "user",
        "expires_at": None if expires_days is None else time.time() + expires_days * DAY,
    }
    answer = scope.service.post("/tokens", body)
    return CommandResult({"token": answer["token"], **answer["record"]}, ("token", *COLUMNS))


@command(app, "list", with_query=True)
def list_tokens(scope: CommandContext) -> CommandResult:
    """All tokens, without their values: the service stores hashes only."""
    return CommandResult(scope.service.get("/tokens")["tokens"], COLUMNS)


@command(app, "revoke")
def revoke_token(
    scope: CommandContext, token_id: Annotated[str, typer.Argument(help="The token's id.")]
) -> None:
    """Revoke a token. Runs that were submitted with it continue."""
    scope.service.delete(f"/tokens/{token_id}")
