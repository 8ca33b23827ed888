"""Tokens of users and service accounts, in memory."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dispatcher.store.events.contract import Events, NewEvent
from dispatcher.store.memory_state import MemoryState
from dispatcher.store.tokens.contract import StoredToken


class MemoryTokens:
    """See `contract.Tokens`."""

    def __init__(self, state: MemoryState, events: Events) -> None:
        self._tokens = state.tokens
        self._events = events

    def add(self, token: StoredToken) -> None:
        self._tokens[token.id] = token
        self._events.add([NewEvent("token.Created", token.id, data={"name": token.name})])

    def by_hash(self, sha256: str) -> StoredToken | None:
        return next((each for each in self._tokens.values() if each.sha256 == sha256), None)

    def all(self) -> list[StoredToken]:
        return sorted(self._tokens.values(), key=lambda each: (each.created_at, each.id))

    def change(self, token_id: str, fields: Mapping[str, Any]) -> bool:
        known = self._tokens.get(token_id)
        if known is None:
            return False
        self._tokens[token_id] = replace(known, **fields)
        if "revoked_at" in fields:
            self._events.add([NewEvent("token.Revoked", token_id)])
        return True
