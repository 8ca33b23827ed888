"""The head of a target's queue in memory, so that placing a run costs the same with ten queued as
with ten thousand.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence

from dispatcher.core.runs.lifecycle import Run, Status

SIZE = 400

QueueKey = tuple[int, int]  # (-priority, submission number)


class QueueWindow:
    """The first queued runs of one target, in order. `complete`: the store has no more."""

    def __init__(self) -> None:
        self._runs: dict[QueueKey, Run] = {}
        self._order: list[QueueKey] = []
        self._key_of: dict[str, QueueKey] = {}
        self._without_cpus: set[str] = set()
        self.complete = False

    def __len__(self) -> int:
        return len(self._order)

    def __iter__(self) -> Iterator[Run]:
        return (self._runs[key] for key in self._order)

    @property
    def has_runs_without_cpus(self) -> bool:
        """Whether some of the runs here ask for no CPU at all."""
        return bool(self._without_cpus)

    def get(self, run_id: str) -> Run | None:
        """The queued run of that id, if it is here."""
        key = self._key_of.get(run_id)
        return None if key is None else self._runs[key]

    def ids(self, count: int) -> list[str]:
        """The ids of the first runs."""
        return [self._runs[key].id for key in self._order[:count]]

    @property
    def low(self) -> bool:
        """Whether the store should be asked for more."""
        return not self.complete and len(self._order) < SIZE // 2

    def fill(self, runs: Sequence[Run], *, complete: bool) -> None:
        """Replace all by what the store answered to a request for SIZE runs."""
        self._runs = {_key(run): run for run in runs}
        self._order = sorted(self._runs)
        self._key_of = {run.id: _key(run) for run in runs}
        self._without_cpus = {run.id for run in runs if run.spec.cpus == 0}
        self.complete = complete

    def offer(self, run: Run) -> None:
        """Follow a committed run: in if it is queued and belongs here, out if it moved on."""
        if run.status is not Status.QUEUED:
            self.drop(run.id)
            return
        key = _key(run)
        if key in self._runs:
            self._runs[key] = run
        elif self.complete or (self._order and key < self._order[-1]):
            self._runs[key] = run
            self._key_of[run.id] = key
            if run.spec.cpus == 0:
                self._without_cpus.add(run.id)
            insort(self._order, key)
            self._trim()

    def drop(self, run_id: str) -> None:
        key = self._key_of.pop(run_id, None)
        self._without_cpus.discard(run_id)
        if key is not None:
            del self._runs[key]
            self._order.pop(bisect_left(self._order, key))

    def _trim(self) -> None:
        while len(self._order) > 2 * SIZE:
            key = self._order.pop()
            run_id = self._runs.pop(key).id
            del self._key_of[run_id]
            self._without_cpus.discard(run_id)
            self.complete = False


def _key(run: Run) -> QueueKey:
    return (-run.spec.priority, run.seq)
