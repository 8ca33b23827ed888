"""Tokens of users and service accounts, in SQL."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, insert, select, update

from dispatcher.store.events.contract import Events, NewEvent
from dispatcher.store.tokens.contract import StoredToken
from dispatcher.store.tokens.rows import TokenRow

TOKENS = TokenRow.__table__  # type: ignore[attr-defined]


class SqlTokens:
    """See `contract.Tokens`."""

    def __init__(self, connection: Connection, events: Events) -> None:
        self._connection = connection
        self._events = events

    def add(self, token: StoredToken) -> None:
        self._connection.execute(insert(TOKENS), [vars(token)])
        self._events.add([NewEvent("token.Created", token.id, data={"name": token.name})])

    def by_hash(self, sha256: str) -> StoredToken | None:
        wanted = select(TOKENS).where(TOKENS.c.sha256 == sha256)
        row = self._connection.execute(wanted).mappings().first()
        return None if row is None else StoredToken(**row)

    def all(self) -> list[StoredToken]:
        wanted = select(TOKENS).order_by(TOKENS.c.created_at, TOKENS.c.id)
        return [StoredToken(**row) for row in self._connection.execute(wanted).mappings()]

    def change(self, token_id: str, fields: Mapping[str, Any]) -> bool:
        changed = update(TOKENS).where(TOKENS.c.id == token_id).values(**fields)
        found = bool(self._connection.execute(changed).rowcount)
        if found and "revoked_at" in fields:
            self._events.add([NewEvent("token.Revoked", token_id)])
        return found
