"""Idempotency keys, in memory."""

from dispatcher.store.idempotency.contract import KeyedCall
from dispatcher.store.memory_state import MemoryState


class MemoryIdempotencyKeys:
    """See `contract.IdempotencyKeys`."""

    def __init__(self, state: MemoryState) -> None:
        self._calls = state.keyed_calls

    def find(self, key: str) -> KeyedCall | None:
        return self._calls.get(key)

    def take(self, call: KeyedCall) -> bool:
        return self._calls.setdefault(call.key, call) is call

    def answer(self, call: KeyedCall) -> None:
        if self._calls.get(call.key, call).digest == call.digest:
            self._calls[call.key] = call

    def prune(self, before: float) -> int:
        old = [key for key, call in self._calls.items() if call.at < before]
        for key in old:
            del self._calls[key]
        return len(old)
