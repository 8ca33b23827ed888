"""`dispatcher token …`: tokens of users and service accounts."""

import time
from typing import Annotated

import typer

from dispatcher.cli.command import Shown, command
from dispatcher.cli.context import CommandContext

app = typer.Typer(help="Tokens of users and service accounts.", no_args_is_help=True)
COLUMNS = ("id", "name", "kind", "role", "expires_at", "revoked_at", "last_used_at")
DAY = 86_400.0


@command(app, "create", with_query=True)
def create_token(
    scope: CommandContext,
    name: Annotated[str, typer.Argument(help="Who calls with it.")],
    role: Annotated[str, typer.Option(help="owner, contributor or reader.")] = "contributor",
    service_account: Annotated[
        bool, typer.Option("--service-account", help="It belongs to a program, not to a person.")
    ] = False,
    expires_days: Annotated[
        float | None, typer.Option(min=0.001, max=3650, help="Days; default: it does not expire.")
    ] = None,
) -> Shown:
    """Make a token, and print it this once."""
    body = {
        "name": name,
        "role": role,
        "kind": "service_account" if service_account else "user",
        "expires_at": None if expires_days is None else time.time() + expires_days * DAY,
    }
    made = scope.service.post("/tokens", body)
    return Shown({"token": made["token"], **made["record"]}, ("token", *COLUMNS))


@command(app, "list", with_query=True)
def list_tokens(scope: CommandContext) -> Shown:
    """All tokens; what they are is not stored."""
    return Shown(scope.service.get("/tokens")["tokens"], COLUMNS)


@command(app, "revoke")
def revoke_token(
    scope: CommandContext, token_id: Annotated[str, typer.Argument(help="The token's id.")]
) -> None:
    """Refuse a token from now on. Runs that were submitted with it go on."""
    scope.service.delete(f"/tokens/{token_id}")
