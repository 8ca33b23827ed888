"""The event log in memory."""

from collections.abc import Sequence

from dispatcher.store.events.contract import RUN_KIND, NewEvent, RecordedEvent
from dispatcher.store.memory_state import MemoryState


class MemoryEvents:
    """See `contract.Events`. `pending` gathers what this transaction records."""

    def __init__(self, state: MemoryState, pending: list[NewEvent]) -> None:
        self._state = state
        self._pending = pending

    def add(self, events: Sequence[NewEvent]) -> None:
        self._pending.extend(events)

    def after(self, position: int, limit: int) -> list[RecordedEvent]:
        return [event for event in self._state.events if event.id > position][:limit]

    def last(self) -> int:
        return self._state.numbers.get("events", 0)

    def of_run(self, run_id: str) -> list[RecordedEvent]:
        return [
            event
            for event in self._state.events
            if event.run_id == run_id and event.kind.startswith(RUN_KIND)
        ]
