"""What subscribers are told of commits, and the feed that tells them.

Reading the event log from a position is the one way to learn of changes. A commit of this process
is handed to its subscribers by the thread that made it. Where several services write to one
database, a second thread reads what the others have committed: it is woken by the database's
notification, and looks every second in case one was lost. Every subscriber is told of every event
once, in the order of the log.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from dispatcher.core.errors import DispatcherError
from dispatcher.core.runs.lifecycle import Run
from dispatcher.store.events.contract import RecordedEvent

log = logging.getLogger(__name__)
PAGE = 1000  # events read at a time


@dataclass(frozen=True)
class Commit:
    """Events that became visible together.

    Attributes:
        events: In order, without gaps.
        runs: The runs that these events added or changed, as they are after them or later.
    """

    events: Sequence[RecordedEvent]
    runs: Sequence[Run]


Subscriber = Callable[[Commit], None]


class LogReader(Protocol):
    """How the feed reads the log."""

    def last_event(self) -> int:
        """The id of the newest event."""

    def events_after(self, position: int, limit: int) -> Commit:
        """The next events after a position, with the runs that they changed."""


class CommitFeed:
    """Tells the subscribers of one process of all commits, each once, in order."""

    def __init__(self, reader: LogReader) -> None:
        self._reader = reader
        self._subscribers: list[Subscriber] = []
        self._lock = threading.RLock()
        self._position = reader.last_event()

    def subscribe(self, subscriber: Subscriber) -> None:
        """Call `subscriber` with each later commit, from the thread that delivers it.

        It must return at once and must not raise; what it raises is logged.
        """
        with self._lock:
            self._subscribers = [*self._subscribers, subscriber]

    def committed(self, commit: Commit) -> None:
        """Deliver a commit of this process; what others committed before it comes first."""
        with self._lock:
            if commit.events and commit.events[-1].id <= self._position:
                return  # `catch_up` has read and delivered it
            if commit.events and commit.events[0].id != self._position + 1:
                self.catch_up()
                return
            self._deliver(commit)

    def catch_up(self) -> None:
        """Deliver what the log has after the position. Safe to call at any time."""
        with self._lock:
            while True:
                try:
                    commit = self._reader.events_after(self._position, PAGE)
                except DispatcherError:  # the caller asks again within a second
                    log.warning("the event log cannot be read", exc_info=True)
                    return
                if commit.events:
                    self._deliver(commit)
                if len(commit.events) < PAGE:
                    return

    def _deliver(self, commit: Commit) -> None:
        if commit.events:
            self._position = commit.events[-1].id
        for subscriber in self._subscribers:
            try:
                subscriber(commit)
            except Exception:
                log.exception("a subscriber of commits failed")
