"""Leases in memory."""

from dispatcher.store.leases.contract import Holder, LeaseState
from dispatcher.store.memory_state import MemoryState


class MemoryLeases:
    """See `contract.Leases`."""

    def __init__(self, state: MemoryState) -> None:
        self._state = state

    def acquire(
        self,
        name: str,
        holder: Holder,
        *,
        now: float,
        ttl: float,
        abandoned: LeaseState | None = None,
    ) -> int | None:
        held, token, expires = self._state.leases.get(name, ("", 0, 0.0))
        is_free = expires <= now or LeaseState(held, token, expires) == abandoned
        if not holder.may_replace(held) and not is_free:
            return None
        token += held != str(holder)
        self._state.leases[name] = (str(holder), token, now + ttl)
        return token

    def state(self, name: str) -> LeaseState | None:
        lease = self._state.leases.get(name)
        return None if lease is None else LeaseState(*lease)

    def fenced(self, name: str, token: int) -> bool:
        return self._state.leases.get(name, ("", 0, 0.0))[1] != token
