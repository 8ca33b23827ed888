"""Jobs that were sent ahead of their turn: each starts when what runs here leaves it room.

Where runs are short, a slot would stand idle from one job's end until the service has heard of it
and sent the next. So the service sends a few ahead, with the CPUs that they have to share (`room`).
They start in the order in which they came, and only once started jobs leave them their CPUs. A job
that is sent once more without `room` starts at once: the service knows of room that is not seen
here, such as that of a parent that waits for its children.
"""

from __future__ import annotations

from collections import deque

from dispatcher.agent.job_state import CREATED, EXITED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Deque, Dict

    from dispatcher.agent.job_table import JobEntry, JobTable


class AdmissionQueue:
    """Who waits for room here. Used by one thread.

    Args:
        book: The jobs.
        start: Starts one that has room now.
    """

    def __init__(self, table: JobTable, start: Callable[[JobEntry], None]) -> None:
        self._table = table
        self._start = start
        self._queue: Deque[JobEntry] = deque()
        self._running: Dict[str, JobEntry] = {}  # and may have ended since

    def adopt(self) -> None:
        """Count the jobs of the agents before this one."""
        self._running = {e.name: e for e in self._table.entries() if e.state != EXITED}

    def occupy(self, entry: JobEntry) -> None:
        """It has its CPUs from now on, until it has ended."""
        self._running[entry.name] = entry

    def must_wait(self, entry: JobEntry) -> bool:
        """Whether there is no room for it yet, or others are before it; then it is in the line."""
        if entry.job.get("cpu_budget") is None:
            return False
        is_first = not self._queue or self._queue[0] is entry
        if is_first and self._fits_budget(entry):
            return False
        if entry not in self._queue:
            self._queue.append(entry)
        return True

    def admit(self) -> None:
        """Something has ended: start those that have room now."""
        while self._queue:
            first = self._queue[0]
            if self._is_waiting(first):
                if not self._fits_budget(first):
                    return
                self._start(first)
            if self._queue and self._queue[0] is first:
                self._queue.popleft()

    def _is_waiting(self, entry: JobEntry) -> bool:
        is_known = self._table.get(entry.name) is entry
        return is_known and entry.state == CREATED and entry.key is None

    def _fits_budget(self, entry: JobEntry) -> bool:
        for name, one in list(self._running.items()):
            if one.state == EXITED or self._table.get(name) is not one:
                del self._running[name]
        taken = sum(_cpus(one) for name, one in self._running.items() if name != entry.name)
        return not self._running or taken + _cpus(entry) <= float(entry.job["cpu_budget"])


def _cpus(entry: JobEntry) -> float:
    return float(entry.job.get("cpus") or 0)
