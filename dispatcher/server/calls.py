"""The call that is being answered, as its writes see it.

A context variable carries the call from the guard to the store: handlers run in threads that copy
the context. So every event that a call causes names its caller, and the first change that a keyed
call makes claims its idempotency key in the same transaction. Whatever happens in between, either
both are recorded or neither is.
"""

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TypeVar

from dispatcher.store.commits import Subscriber
from dispatcher.store.contract import Store, Transaction
from dispatcher.store.events.contract import SERVICE
from dispatcher.store.idempotency.contract import KeyedCall

T = TypeVar("T")


class KeyTaken(Exception):
    """Another process has carried out a call with the same key."""


@dataclass
class CurrentCall:
    """One call.

    Attributes:
        actor: Who calls, as events record it.
        keyed: What is recorded of its idempotency key; None without a key, or where the key is
            recorded already.
        is_claimed: Whether a change of the call is committed together with its key.
    """

    actor: str
    keyed: KeyedCall | None = None
    is_claimed: bool = False


CURRENT: ContextVar[CurrentCall | None] = ContextVar("current_call", default=None)


class CallStore:
    """The store as services that answer calls use it; see `store.contract.Store`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def write(self, work: Callable[[Transaction], T], actor: str = SERVICE) -> T:
        call = CURRENT.get()
        if call is None:
            return self._store.write(work, actor)
        keyed = call.keyed
        if keyed is None or call.is_claimed:
            return self._store.write(work, call.actor)

        def claimed(tx: Transaction) -> T:
            if not tx.idempotency.take(keyed):
                raise KeyTaken(keyed.key)
            return work(tx)

        result = self._store.write(claimed, call.actor)
        call.is_claimed = True
        return result

    def read(self, work: Callable[[Transaction], T]) -> T:
        return self._store.read(work)

    def subscribe(self, subscriber: Subscriber) -> None:
        self._store.subscribe(subscriber)

    def check(self) -> None:
        self._store.check()

    def close(self) -> None:
        self._store.close()
