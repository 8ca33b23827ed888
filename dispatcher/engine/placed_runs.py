"""The runs that have something on a target, as they are stored, with what they hold.

All of it can be read from the store again. Nothing uncommitted is ever in it.
"""

from collections.abc import Collection, Iterable, Mapping
from itertools import islice

from dispatcher.core.runs.lifecycle import Run, Slot, Status
from dispatcher.core.scheduling.usage import Usage

_BLOCK = 1024  # submission numbers in one block, by which stretches of runs are found
_NONE: Mapping[str, None] = {}


class PlacedRuns:
    """Owed runs by id, by target and by submission number."""

    def __init__(self) -> None:
        self._runs: dict[str, Run] = {}
        self._by_target: dict[str, dict[str, None]] = {}  # in the order of their placing
        self._usage: dict[str, Usage] = {}
        self._waiting: dict[str, dict[str, None]] = {}  # parents that wait, or lack their slot
        self._blocks: dict[int, set[str]] = {}

    def __len__(self) -> int:
        return len(self._runs)

    def get(self, run_id: str) -> Run | None:
        return self._runs.get(run_id)

    def of_target(self, target: str) -> Iterable[Run]:
        """The runs of a target, in the order of their placing."""
        return (self._runs[run_id] for run_id in self._by_target.get(target, _NONE))

    def usage(self, target: str) -> Usage:
        """What its runs hold. Copy it before changing it."""
        return self._usage.setdefault(target, Usage())

    def waiting_parents(self, target: str) -> Collection[Run]:
        """The parents there that wait for children, or want their slot back."""
        return [self._runs[run_id] for run_id in self._waiting.get(target, _NONE)]

    def lends(self, target: str) -> bool:
        """Whether a parent there has lent its CPUs."""
        return any(run.slot is Slot.LENT for run in self.waiting_parents(target))

    def has_more_than(self, count: int) -> bool:
        """Whether more than `count` runs hold resources; the newest are looked at."""
        holding = (run for run in reversed(self._runs.values()) if run.holds)
        return next(islice(holding, count, None), None) is not None

    def put(self, run: Run) -> bool:
        """Take a run as committed; False if a newer version is known. One not owed is dropped."""
        known = self._runs.get(run.id)
        if known is not None and known.version >= run.version:
            return False
        if known is not None:
            self._uncount(known)
        if not run.owed:
            self._remove(run.id)
            return True
        self._runs[run.id] = run
        self._by_target.setdefault(run.spec.target, {})[run.id] = None
        self._blocks.setdefault(run.seq // _BLOCK, set()).add(run.id)
        self._count(run)
        return True

    def drop(self, run_id: str) -> Run | None:
        """Forget a run; it as it was known."""
        run = self._runs.get(run_id)
        if run is not None:
            self._uncount(run)
            self._remove(run_id)
        return run

    def between(self, after: int, until: int | None) -> list[Run]:
        """Runs whose submission number is above `after` and at most `until` (None: any)."""
        first, last = after // _BLOCK, None if until is None else until // _BLOCK
        blocks = (k for k in self._blocks if k >= first and (last is None or k <= last))
        runs = (self._runs[run_id] for block in blocks for run_id in self._blocks[block])
        return [run for run in runs if run.seq > after and (until is None or run.seq <= until)]

    def _count(self, run: Run) -> None:
        self.usage(run.spec.target).add(run)
        if is_waiting_parent(run):
            self._waiting.setdefault(run.spec.target, {})[run.id] = None

    def _uncount(self, run: Run) -> None:
        self.usage(run.spec.target).remove(run)
        self._waiting.get(run.spec.target, {}).pop(run.id, None)

    def _remove(self, run_id: str) -> None:
        run = self._runs.pop(run_id, None)
        if run is None:
            return
        self._by_target[run.spec.target].pop(run_id, None)
        block = self._blocks[run.seq // _BLOCK]
        block.discard(run_id)
        if not block:
            del self._blocks[run.seq // _BLOCK]


def is_waiting_parent(run: Run) -> bool:
    """Whether it waits for its children, or for its slot."""
    return bool(run.waits_for) or run.slot is not Slot.HELD


def wants_slot(run: Run) -> bool:
    """Whether its wait is over and it wants its CPUs back."""
    return run.slot is Slot.WANTED and run.status is Status.RUNNING


def differs(known: Run, stored: Run | None) -> bool:
    """Whether the store says something else than what followed from its commits.

    That is so after a database was put back to an earlier state: what is known here did not happen.
    """
    if stored is None:
        return True
    return stored.version < known.version or stored.placement != known.placement
