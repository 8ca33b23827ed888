"""The agent's event loop: one thread that waits for descriptors, runs calls, and ticks."""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import threading
import time
from collections import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Deque

log = logging.getLogger(__name__)
TICK = 1.0


class Loop:
    """The thread in which everything happens that no caller does in its own.

    Args:
        on_tick: Called once a second.

    Attributes:
        selector: Holds the descriptors; the data of one is called when it is ready.
    """

    def __init__(self, on_tick: Callable[[], None]) -> None:
        self.selector = selectors.DefaultSelector()
        self._on_tick = on_tick
        self._calls: Deque[Callable[[], None]] = deque()
        self._closing = False
        self._asleep = True
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.selector.register(self._wake_read, selectors.EVENT_READ, self._drain)
        self._thread = threading.Thread(target=self._run, name="agent", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def call(self, action: Callable[[], None]) -> None:
        """Run a function in the thread, after earlier calls. From any thread."""
        self._calls.append(action)
        if self._asleep:
            with contextlib.suppress(BlockingIOError):
                os.write(self._wake_write, b"\0")

    def stop(self) -> None:
        """End the thread. Pending calls are dropped."""
        self._closing = True
        self.call(lambda: None)
        if self._thread.is_alive():
            self._thread.join()

    def close(self) -> None:
        """Close the descriptors. Call it after the thread has ended."""
        self.selector.close()
        os.close(self._wake_read)
        os.close(self._wake_write)

    def _run(self) -> None:
        due = time.monotonic() + TICK
        while not self._closing:
            self._asleep = True
            pause = 0.0 if self._calls else max(0.0, due - time.monotonic())
            ready = self.selector.select(pause)
            self._asleep = False
            for key, _ in ready:
                _do(key.data)
            for _ in range(len(self._calls)):
                _do(self._calls.popleft())
            if time.monotonic() >= due:
                due = time.monotonic() + TICK
                _do(self._on_tick)

    def _drain(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake_read, 4096)


def _do(action: Callable[[], None]) -> None:
    try:
        action()
    except Exception:  # one failed action must not stop the loop: other jobs depend on it
        log.exception("an action of the agent failed")
