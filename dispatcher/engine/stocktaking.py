"""Now and then a target is asked for all that it has: what no run accounts for is told of."""

import logging
import time
from collections.abc import Mapping

from dispatcher.core.jobs import State
from dispatcher.services.strays import strays
from dispatcher.store.contract import Store
from targets.base import Target

log = logging.getLogger(__name__)
EVERY = 60.0  # seconds
GRACE = 30.0  # what a stray gets that is ended: nobody knows any more what its run had asked for


class Stocktaking:
    """Of one target, in its thread.

    Attributes:
        strays: The jobs that no run accounts for (`services.strays`), as they were seen last.
    """

    def __init__(self, target: str, store: Store) -> None:
        self.strays: Mapping[str, State] = {}
        self._name, self._store = target, store
        self._taken_at = -EVERY
        self._to_go: set[str] = set()  # those that somebody wants to be gone

    def take(self, target: Target, *, now: bool = False) -> None:
        """Look, if it is time to or is to be `now`. Raises TargetError."""
        is_due = self._to_go or time.monotonic() - self._taken_at >= EVERY
        if not now and not is_due:
            return
        self._taken_at = time.monotonic()
        there = target.jobs()
        found = self._store.read(lambda tx: strays(tx, there)) if there else []
        fresh = {name: there[name].state for name in found}
        self._tell(fresh)
        self.strays = fresh
        over = [name for name in self._to_go if fresh.get(name) is State.EXITED]
        if over:
            target.remove(over)
        self._to_go &= fresh.keys()

    def clear(self, target: Target) -> None:
        """End all strays that there are now, and forget them once they have ended.

        Raises TargetError.
        """
        self.take(target, now=True)
        if self.strays:
            log.warning("ended: %s", ", ".join(self.strays), extra={"target": self._name})
            target.stop(list(self.strays), GRACE)
            self._to_go |= self.strays.keys()

    def _tell(self, fresh: Mapping[str, State]) -> None:
        new = fresh.keys() - self.strays.keys()
        if new:
            log.warning(
                "%s has %d jobs that no run accounts for, such as %s: was the database put back to "
                "an earlier state? They hold what they were given; to end them: "
                "dispatcher computetarget clear %s",
                self._name,
                len(fresh),
                min(new),
                self._name,
                extra={"target": self._name},
            )
