"""Tokens of users and service accounts, by their hash. The token itself is stored nowhere."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class StoredToken:
    """A token as it is stored. Moments are seconds since the epoch.

    Attributes:
        id: Names the token in lists.
        sha256: The hash of the token.
        kind: `user` or `service_account`.
        name: Who calls with it.
        role: `owner`, `contributor` or `reader`.
        created_by: The actor that made it.
        expires_at: From when it is refused; None: never.
        revoked_at: When it was revoked.
        last_used_at: When it was last seen, within a minute.
    """

    id: str
    sha256: str
    kind: str
    name: str
    role: str
    created_by: str
    created_at: float
    expires_at: float | None = None
    revoked_at: float | None = None
    last_used_at: float | None = None


class Tokens(Protocol):
    def add(self, token: StoredToken) -> None: ...
    def by_hash(self, sha256: str) -> StoredToken | None:
        """The token of a hash, revoked or not."""

    def all(self) -> list[StoredToken]:
        """All tokens, the oldest first."""

    def change(self, token_id: str, fields: Mapping[str, Any]) -> bool:
        """Set `revoked_at` or `last_used_at`; False if there is no such token."""
