"""The admission queue: prefetched jobs, which start in order as the running jobs free CPUs.

Where runs are short, a CPU would stay idle from the end of one job until the service has received
that end and sent the next job. So the service sends a few jobs early, each with the CPUs that all
jobs of the node may use together (`cpu_budget`). A job that is sent again without a budget starts
at once: the service knows of free CPUs that the node cannot see, such as those of a parent that
waits for its children.
"""

from __future__ import annotations

from collections import deque

from dispatcher.agent.job_state import CREATED, EXITED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Deque, Dict

    from dispatcher.agent.job_table import JobEntry, JobTable


class AdmissionQueue:
    """The prefetched jobs of a node. Used by one thread.

    Args:
        table: The jobs.
        start: Starts a job whose CPUs are free now.
    """

    def __init__(self, table: JobTable, start: Callable[[JobEntry], None]) -> None:
        self._table = table
        self._start = start
        self._queue: Deque[JobEntry] = deque()
        self._running: Dict[str, JobEntry] = {}  # some may have ended since

    def adopt(self) -> None:
        """Count the jobs of the agents before this one."""
        self._running = {e.name: e for e in self._table.entries() if e.state != EXITED}

    def occupy(self, entry: JobEntry) -> None:
        """Count the job's CPUs as used until it has ended."""
        self._running[entry.name] = entry

    def must_wait(self, entry: JobEntry) -> bool:
        """Whether the job has to wait for CPUs or for earlier jobs; then it is in the queue."""
        if entry.job.get("cpu_budget") is None:
            return False
        is_first = not self._queue or self._queue[0] is entry
        if is_first and self._fits_budget(entry):
            return False
        if entry not in self._queue:
            self._queue.append(entry)
        return True

    def admit(self) -> None:
        """Start the jobs whose CPUs are free now, in order."""
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
        for name, job in list(self._running.items()):
            if job.state == EXITED or self._table.get(name) is not job:
                del self._running[name]
        budget = entry.job.get("cpu_budget")
        if budget is None or not self._running:  # None: it was sent again since it was queued
            return True
        used = sum(_cpus(job) for name, job in self._running.items() if name != entry.name)
        return used + _cpus(entry) <= float(budget)


def _cpus(entry: JobEntry) -> float:
    return float(entry.job.get("cpus") or 0)
