"""Sweeps, in memory."""

from collections.abc import Collection

from dispatcher.core.sweeps.sweep import Sweep
from dispatcher.store.events.contract import Events, NewEvent
from dispatcher.store.memory_state import MemoryState


class MemorySweeps:
    def __init__(self, state: MemoryState, events: Events) -> None:
        self._state = state
        self._events = events

    def put(self, sweep: Sweep) -> None:
        self._state.sweeps[sweep.run_id] = sweep
        self._events.add([NewEvent("sweep.Changed", sweep.run_id, run_id=sweep.run_id)])

    def get(self, ids: Collection[str]) -> dict[str, Sweep]:
        return {each: self._state.sweeps[each] for each in ids if each in self._state.sweeps}

    def unfinished(self) -> dict[str, Sweep]:
        return {each.run_id: each for each in self._state.sweeps.values() if not each.over}
