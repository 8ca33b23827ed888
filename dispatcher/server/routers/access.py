"""Tokens and secrets."""

from typing import Annotated, Literal

from fastapi import Path, status
from pydantic import BaseModel, Field

from dispatcher.access.permissions import Permission
from dispatcher.access.principals import Kind, Role
from dispatcher.server.deps import Caller, S
from dispatcher.server.guard import allow, guarded_router
from dispatcher.server.schemas import Strict
from dispatcher.server.views import moment
from dispatcher.store.tokens.contract import StoredToken

router = guarded_router(tags=["access"])


class NewToken(Strict):
    """A token that is to be made."""

    name: Annotated[str, Field(max_length=100)]
    kind: Literal["user", "service_account"] = "user"
    role: Literal["owner", "contributor", "reader"] = "contributor"
    expires_at: Annotated[float, Field(ge=0, le=1e11)] | None = None


class TokenView(BaseModel):
    """A token as it is listed; the token itself is not stored."""

    id: str
    kind: str
    name: str
    role: str
    created_by: str
    created_at: str | None
    expires_at: str | None
    revoked_at: str | None
    last_used_at: str | None

    @staticmethod
    def of(stored: StoredToken) -> "TokenView":
        return TokenView(
            id=stored.id,
            kind=stored.kind,
            name=stored.name,
            role=stored.role,
            created_by=stored.created_by,
            created_at=moment(stored.created_at),
            expires_at=moment(stored.expires_at),
            revoked_at=moment(stored.revoked_at),
            last_used_at=moment(stored.last_used_at),
        )


class CreatedToken(BaseModel):
    """A new token. It is shown this once."""

    token: str
    record: TokenView


class TokenList(BaseModel):
    tokens: list[TokenView]


class SecretBody(Strict):
    value: Annotated[str, Field(max_length=16 * 1024)]


class SecretList(BaseModel):
    """The names of the secrets that are kept in the file; their values are never answered."""

    secrets: list[str]


SecretName = Annotated[str, Path(max_length=128)]


@router.post("/tokens", status_code=status.HTTP_201_CREATED)
@allow(Permission.MANAGE_TOKENS)
def create_token(body: NewToken, services: S, caller: Caller) -> CreatedToken:
    """Make a token for a user or a service account."""
    kind, role = Kind(body.kind), Role(body.role)
    stored, token = services.access.create(kind, body.name, role, body.expires_at, caller)
    return CreatedToken(token=token, record=TokenView.of(stored))


@router.get("/tokens")
@allow(Permission.MANAGE_TOKENS)
def list_tokens(services: S) -> TokenList:
    """All tokens, the oldest first."""
    return TokenList(tokens=[TokenView.of(stored) for stored in services.access.tokens()])


@router.delete("/tokens/{token_id}", status_code=status.HTTP_204_NO_CONTENT)
@allow(Permission.MANAGE_TOKENS)
def revoke_token(token_id: str, services: S) -> None:
    """Refuse a token from now on."""
    services.access.revoke(token_id)


@router.get("/secrets")
@allow(Permission.MANAGE_SECRETS)
def list_secrets(services: S) -> SecretList:
    """The names of the secrets."""
    return SecretList(secrets=services.secrets.names())


@router.put("/secrets/{name}", status_code=status.HTTP_204_NO_CONTENT)
@allow(Permission.MANAGE_SECRETS)
def set_secret(name: SecretName, body: SecretBody, services: S) -> None:
    """Keep a secret, in place of what it was."""
    services.secrets.set(name, body.value)


@router.delete("/secrets/{name}", status_code=status.HTTP_204_NO_CONTENT)
@allow(Permission.MANAGE_SECRETS)
def remove_secret(name: SecretName, services: S) -> None:
    """Forget a secret; runs that refer to it fail when they start."""
    services.secrets.remove(name)
