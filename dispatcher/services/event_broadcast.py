"""The event log as a live stream: every reader gets every event once, from its position on.

The newest events are kept in memory, so that many readers cost one reading of the log. A reader
that is further behind reads the log itself. News is gathered for a moment before it is sent, and
readers at the same position share the bytes: a fan-out of a thousand events a second is sent in a
few pieces.
"""

import asyncio
import json
from bisect import bisect_right
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from itertools import islice
from typing import Any

from dispatcher.store.commits import Commit
from dispatcher.store.contract import Store
from dispatcher.store.events.contract import RecordedEvent

KEPT = 20_000  # events in memory
PAGE = 1_000  # events read from the log at a time
GATHER = 0.25  # seconds for which news is gathered
KEEP_ALIVE = 15.0  # seconds without news after which a comment is sent
ALIVE = b": nothing new\n\n"

Chooses = Callable[[RecordedEvent], bool]


class EventBroadcast:
    """Streams of one process, all on one event loop."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._loop: asyncio.AbstractEventLoop | None = None
        self._recent: deque[RecordedEvent] = deque(maxlen=KEPT)
        self._news = asyncio.Event()
        self._shared: dict[tuple[int, int], bytes] = {}  # (after, last id) -> what all get
        self._closing = False
        store.subscribe(self._committed)

    def start(self) -> None:
        """Bind to the running loop."""
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self._closing = False

    def stop(self) -> None:
        """End all streams, so that a closing server does not hold its readers."""
        self._closing = True
        self._news.set()

    async def read(self, after: int | None, *, run_id: str | None = None) -> AsyncIterator[bytes]:
        """Server-sent events after a position, as they come.

        Args:
            after: The id of the last event that the reader has; None: only what comes from now on.
            run_id: Only the events of that run.

        Yields:
            Whole events in the format of `text/event-stream`; a comment when nothing is new.
        """
        position = await self._last() if after is None else after
        while not self._closing:
            news = self._news
            events = await self._after(position)
            if events:
                chunk = self._chunk(position, events, run_id)
                position = events[-1].id
                if chunk:
                    yield chunk
                if len(events) < PAGE:
                    await asyncio.sleep(GATHER)
                continue
            try:
                await asyncio.wait_for(news.wait(), KEEP_ALIVE)
            except TimeoutError:
                yield ALIVE

    def _committed(self, commit: Commit) -> None:
        """Called by the thread that delivers the commit."""
        if commit.events and self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._add, commit.events)

    def _add(self, events: Sequence[RecordedEvent]) -> None:
        self._recent.extend(events)
        self._shared.clear()
        news, self._news = self._news, asyncio.Event()
        news.set()

    async def _last(self) -> int:
        if self._recent:
            return self._recent[-1].id
        return await asyncio.to_thread(self._store.read, lambda tx: tx.events.last())

    async def _after(self, position: int) -> Sequence[RecordedEvent]:
        """The next events, from memory where it reaches back so far."""
        if self._recent and self._recent[0].id <= position + 1:
            start = bisect_right(self._recent, position, key=lambda event: event.id)
            return list(islice(self._recent, start, start + PAGE))
        return await asyncio.to_thread(self._store.read, lambda tx: tx.events.after(position, PAGE))

    def _chunk(self, position: int, events: Sequence[RecordedEvent], run_id: str | None) -> bytes:
        if run_id is not None:
            return b"".join(as_sent(event) for event in events if event.run_id == run_id)
        key = (position, events[-1].id)
        if key not in self._shared:
            self._shared[key] = b"".join(map(as_sent, events))
        return self._shared[key]


def as_sent(event: RecordedEvent) -> bytes:
    """One event in the format of `text/event-stream`. What it carried beyond names is left out."""
    fields: dict[str, Any] = {
        "at": event.at, "actor": event.actor, "kind": event.kind, "subject": event.subject,
        "run_id": event.run_id, "version": event.version, "attempt": event.attempt,
    }  # fmt: skip
    text = json.dumps({name: value for name, value in fields.items() if value is not None})
    return f"id: {event.id}\nevent: {event.kind}\ndata: {text}\n\n".encode()
