"""The service collects garbage by itself, every hour."""

import logging
import threading
import time
from collections.abc import Callable

from dispatcher.services.collection.service import CollectionService

EVERY = 3_600.0  # seconds
FIRST_AFTER = 600.0  # seconds: a service that has just started has other things to do
log = logging.getLogger(__name__)


class CollectionTimer:
    """Collects garbage by the stored rules, in a thread of its own.

    Args:
        collection: What collects.
        ticks: Monotonic seconds.
        wait: Waits so many seconds, or until the timer is stopped; whether it is stopped.
    """

    def __init__(
        self,
        collection: CollectionService,
        ticks: Callable[[], float] = time.monotonic,
        wait: Callable[[float], bool] | None = None,
    ) -> None:
        self._collection, self._ticks = collection, ticks
        self._stopping = threading.Event()
        self._wait = wait or self._stopping.wait
        self._thread = threading.Thread(target=self.run, name="garbage", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; a collection that is under way is broken off with the process."""
        self._stopping.set()

    def run(self) -> None:
        """Collect until stopped. One that fails is logged, and the next one is an hour later."""
        due = self._ticks() + FIRST_AFTER
        while not self._wait(max(0.0, due - self._ticks())):
            try:
                found = self._collection.collect(self._collection.rules())
                deleted = {kind: vars(each) for kind, each in found.items() if each.count}
                if deleted:
                    log.info("garbage was collected: %s", deleted)
            except Exception:
                log.exception("garbage cannot be collected")
            due = self._ticks() + EVERY
