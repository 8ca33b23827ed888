"""The head of a target's queue in memory, so that placing a run costs the same with ten queued as
with ten thousand.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence

from dispatcher.core.lifecycle import Run, Status

SIZE = 400

Place = tuple[int, int]  # (-priority, submission number)


class Window:
    """The first queued runs of one target, in order. `complete`: the store has no more."""

    def __init__(self) -> None:
        self._runs: dict[Place, Run] = {}
        self._order: list[Place] = []
        self._place: dict[str, Place] = {}
        self._weightless: set[str] = set()
        self.complete = False

    def __len__(self) -> int:
        return len(self._order)

    def __iter__(self) -> Iterator[Run]:
        return (self._runs[place] for place in self._order)

    @property
    def weightless(self) -> bool:
        """Whether some of the runs here ask for no CPU at all."""
        return bool(self._weightless)

    @property
    def low(self) -> bool:
        """Whether the store should be asked for more."""
        return not self.complete and len(self._order) < SIZE // 2

    def fill(self, runs: Sequence[Run]) -> None:
        """Take what the store answered to a request for SIZE runs in place of all that is here."""
        self._runs = {_place(run): run for run in runs}
        self._order = sorted(self._runs)
        self._place = {run.id: _place(run) for run in runs}
        self._weightless = {run.id for run in runs if run.spec.cpus == 0}
        self.complete = len(runs) < SIZE

    def offer(self, run: Run) -> None:
        """Follow a committed run: in if it is queued and belongs here, out if it moved on."""
        if run.status is not Status.QUEUED:
            self.drop(run.id)
            return
        place = _place(run)
        if place in self._runs:
            self._runs[place] = run
        elif self.complete or (self._order and place < self._order[-1]):
            self._runs[place] = run
            self._place[run.id] = place
            if run.spec.cpus == 0:
                self._weightless.add(run.id)
            insort(self._order, place)
            self._trim()

    def drop(self, run_id: str) -> None:
        place = self._place.pop(run_id, None)
        self._weightless.discard(run_id)
        if place is not None:
            del self._runs[place]
            self._order.pop(bisect_left(self._order, place))

    def _trim(self) -> None:
        while len(self._order) > 2 * SIZE:
            place = self._order.pop()
            run_id = self._runs.pop(place).id
            del self._place[run_id]
            self._weightless.discard(run_id)
            self.complete = False


def _place(run: Run) -> Place:
    return (-run.spec.priority, run.seq)
