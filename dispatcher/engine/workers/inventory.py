"""The inventory of a target: from time to time it is asked for all its jobs, to find orphans."""

import logging
import time
from collections.abc import Mapping

from dispatcher.core.runs.jobs import State
from dispatcher.services.orphan_jobs import orphan_jobs
from dispatcher.store.contract import Store
from targets.base import Target

log = logging.getLogger(__name__)
EVERY = 60.0  # seconds
GRACE = 30.0  # seconds for an orphan that is ended: what its run asked for is not known any more


class Inventory:
    """Of one target; called by its worker alone.

    Attributes:
        orphans: The jobs that no run accounts for, as they were observed last.
    """

    def __init__(self, target: str, store: Store) -> None:
        self.orphans: Mapping[str, State] = {}
        self._name, self._store = target, store
        self._taken_at = -EVERY
        self._to_remove: set[str] = set()  # orphans that are being ended on request

    def take(self, target: Target, *, now: bool = False) -> None:
        """List the jobs, if it is time to or is to be `now`. Raises TargetError."""
        is_due = self._to_remove or time.monotonic() - self._taken_at >= EVERY
        if not now and not is_due:
            return
        self._taken_at = time.monotonic()
        jobs = target.jobs()
        names = self._store.read(lambda tx: orphan_jobs(tx, jobs)) if jobs else []
        orphans = {name: jobs[name].state for name in names}
        self._report(orphans)
        self.orphans = orphans
        ended = [name for name in self._to_remove if orphans.get(name) is State.EXITED]
        if ended:
            target.remove(ended)
        self._to_remove &= orphans.keys()

    def clear(self, target: Target) -> None:
        """End all orphans, and remove them once they have ended. Raises TargetError."""
        self.take(target, now=True)
        if self.orphans:
            names = ", ".join(self.orphans)
            log.warning("ending orphan jobs: %s", names, extra={"target": self._name})
            target.stop(list(self.orphans), GRACE)
            self._to_remove |= self.orphans.keys()

    def _report(self, orphans: Mapping[str, State]) -> None:
        new = orphans.keys() - self.orphans.keys()
        if new:
            log.warning(
                "%s has %d orphan jobs, such as %s: was the database put back to an earlier state? "
                "They hold resources; to end them: dispatcher computetarget clear %s",
                self._name,
                len(orphans),
                min(new),
                self._name,
                extra={"target": self._name},
            )
