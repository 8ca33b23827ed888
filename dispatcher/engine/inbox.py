"""The engine's inbox: gathers messages into turns, so that a commit serves many of them.

Turns that follow each other closely are made fewer. A message that nothing waits for is held back
longer than one that somebody waits for.
"""

import queue
import time
from collections.abc import Callable, Collection

from dispatcher.engine.messages import CallReturned, Message, Observed, Verb

# Turns closer together than BURST are a burst: each then takes in what comes within GATHER.
BURST = 0.020
GATHER = 0.003
GATHER_PREFETCHED = 0.050  # seconds at most for which ends on targets with prefetched jobs wait


class Inbox:
    """Messages from any thread to the engine's."""

    def __init__(self) -> None:
        self._urgent: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._deferred: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._emptied_at = -BURST

    def post(self, message: Message) -> None:
        """Hand over a message; any thread."""
        if _needs_no_turn(message):
            self._deferred.put(message)
        else:
            self._urgent.put(message)

    def wake(self) -> None:
        """Make a waiting `gather` return."""
        self._urgent.put(None)

    def gather(
        self, seconds: float, *, is_busy: Callable[[], bool], spans: Callable[[], "Spans"]
    ) -> list[Message]:
        """Wait for a message and take all that are there.

        Args:
            seconds: How long to wait for the first one.
            is_busy: Whether more than a few runs are under way, so that a short delay saves work.
            spans: By target, how many seconds of prefetched work its nodes have.
        """
        messages: list[Message] = []
        first = self._next(seconds)
        if first is not None:
            messages.append(first)
            if time.monotonic() - self._emptied_at < BURST and is_busy():
                time.sleep(GATHER)
        messages += self._take_all()
        messages += self._gather_prefetched(messages, spans())
        while not self._deferred.empty():
            messages.insert(0, self._deferred.get())
        self._emptied_at = time.monotonic()
        return messages

    def _gather_prefetched(self, messages: list[Message], spans: "Spans") -> list[Message]:
        """More messages, while all that came are ends on nodes that go on with prefetched jobs."""
        if not messages or not all(_can_wait(message, spans) for message in messages):
            return []
        until = time.monotonic() + min(GATHER_PREFETCHED, min(spans.values()) / 2)
        more: list[Message] = []
        while message := self._next(until - time.monotonic()):
            more.append(message)
            if not _can_wait(message, spans):
                break
        return more + self._take_all()

    def _next(self, seconds: float) -> Message | None:
        try:
            if seconds > 0:
                return self._urgent.get(timeout=seconds)
            return self._urgent.get_nowait()
        except queue.Empty:
            return None

    def _take_all(self) -> list[Message]:
        messages: list[Message] = []
        while not self._urgent.empty():
            message = self._urgent.get_nowait()
            if message is not None:
                messages.append(message)
        return messages


Spans = dict[str, float]


def _needs_no_turn(message: Message) -> bool:
    """A launch that went well: nothing follows from it by itself."""
    match message:
        case CallReturned(verb=Verb.LAUNCH, failures=failures):
            return not failures
    return False


def _can_wait(message: Message, targets: Collection[str]) -> bool:
    """Whether nothing stands still for it: its node goes on with prefetched jobs."""
    match message:
        case Observed(target, jobs):
            return bool(jobs) and target in targets
        case CallReturned(target, Verb.REMOVE):
            return target in targets
    return False
