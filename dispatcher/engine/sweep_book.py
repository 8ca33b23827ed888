"""What the sweeper holds of one sweep: its trials, few words each, and how they stand.

It is made from the store and follows commits; nothing in it is needed after a crash. A trial is
kept as its cell and a few numbers, never as its run or its metrics, so ten thousand of them fit
into some megabytes.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dispatcher.core.lifecycle import Run, Status
from dispatcher.core.policies import (
    WORST,
    History,
    Mark,
    NoTermination,
    Standings,
    condemns,
    is_due,
)
from dispatcher.core.space import config_hash
from dispatcher.core.sweeps import Cell, Counts, Sweep, key_of, retry_key, tries_of
from dispatcher.services.suggesting import SEEN, Known, Suggester
from dispatcher.services.sweeps import cell_of, number_of
from dispatcher.store.contract import Sample


@dataclass
class Entry:
    """One trial."""

    number: int
    id: str
    key: str
    ordinal: int
    values: Mapping[str, Any]
    attempt: int = 0
    version: int = 0
    status: Status = Status.QUEUED
    open: bool = True
    history: History = field(default_factory=History)
    place: int = 0  # up to which logging it is read
    marks: dict[int, Mark] = field(default_factory=dict)
    due: int = 0  # the last interval at which the policy is applied to it

    @property
    def digest(self) -> str:
        return self.key.partition("#")[0]


class Book:
    """The trials of one sweep."""

    def __init__(self, sweep: Sweep, run: Run, suggester: Suggester) -> None:
        self.sweep, self.run = sweep, run
        self.suggester = suggester
        self.entries: dict[str, Entry] = {}
        self.open: dict[str, Entry] = {}
        self.unread: dict[str, Entry] = {}  # these may have logged something new
        self.condemned: set[str] = set()
        self.lines: list[str] = []  # of its log, not written yet
        self.flushed = 0.0
        self._replicas: dict[str, int] = {}
        self._failed: dict[str, Entry] = {}  # by key; those that may be tried again
        self._standings: dict[int, Standings] = {}
        self._ordinals = 0
        self._keys: set[str] = set()
        self._scored: list[tuple[float, int, str]] = []  # trials with a value, the worst first

    @property
    def deadline(self) -> float:
        return self.sweep.spec.deadline(self.run.created_at)

    @property
    def watches(self) -> bool:
        """Whether what is done next depends on metrics."""
        return self.suggester.is_guided or not isinstance(self.sweep.spec.policy, NoTermination)

    def put(self, run: Run) -> bool:
        """Take a trial as it is; whether that was news."""
        entry = self.entries.get(run.id)
        if entry is None:
            entry = self._new(run)
            if entry is None:
                return False
        elif entry.version >= run.version:
            return False
        if entry.attempt != run.attempt:
            self._start_over(entry, run.attempt)
        entry.version, entry.status, entry.open = run.version, run.status, not run.terminal
        if entry.open:
            self.open[run.id] = entry
            self._failed.pop(entry.key, None)
        elif self.open.pop(run.id, None) is not None or run.terminal:
            self._note_end(entry)
        return True

    def heard(self, run_id: str) -> bool:
        """A trial has logged something; whether that concerns anybody."""
        entry = self.entries.get(run_id)
        if entry is None or not self.watches:
            return False
        self.unread[run_id] = entry
        return True

    def counts(self) -> Counts:
        return Counts(
            made=self._ordinals,
            open=len(self.open),
            to_retry=len(self.to_retry()),
            left=self.suggester.left(self._replicas),
        )

    def to_retry(self) -> list[Entry]:
        """Failed trials that are to be tried again, in their order."""
        if not self.sweep.retries:
            return []
        due = [each for each in self._failed.values() if tries_of(each.key) < self.sweep.retries]
        return sorted(due, key=lambda each: each.number)

    def cells(self, start: int, retry: int) -> list[Cell]:
        """The next trials: so many retries, so many new ones."""
        number = len(self.entries)
        cells = [
            Cell(number + k, retry_key(entry.key), entry.values)
            for k, entry in enumerate(self.to_retry()[:retry])
        ]
        if not start:
            return cells
        ordinals = range(self._ordinals, self._ordinals + start)
        found = self.suggester.suggest(ordinals, self._replicas, self._known())
        replicas: dict[str, int] = {}
        for values in found:
            digest = config_hash(values)
            replica = self._replicas.get(digest, 0) + replicas.get(digest, 0)
            replicas[digest] = replicas.get(digest, 0) + 1
            cells.append(Cell(number + len(cells), key_of(digest, replica), values))
        return cells

    def read(self, entry: Entry, samples: Sequence[Sample]) -> None:
        """Take what a trial has logged since."""
        spec = self.sweep.spec
        before = entry.history.best
        for place, value, _t, _step in samples:
            mark = entry.history.log(value, spec.primary_metric.goal)
            entry.place = place
            if is_due(spec.policy, entry.history.count, entry.number):
                interval = entry.history.count
                entry.due, entry.marks[interval] = interval, mark
                self._standings.setdefault(interval, Standings()).add(mark)
        if entry.history.best != before:
            self._rank(entry, before)

    def judge(self) -> list[tuple[Entry, int]]:
        """The open trials that the policy ends now, each with the interval at which it stands."""
        spec = self.sweep.spec
        found = [
            (entry, entry.due)
            for entry in self.open.values()
            if entry.due
            and entry.id not in self.condemned
            and condemns(
                spec.policy,
                entry.marks[entry.due],
                self._standings[entry.due],
            )
        ]
        self.condemned.update(entry.id for entry, _ in found)
        return found

    def _new(self, run: Run) -> Entry | None:
        number = number_of(run)
        if number is None or run.spec.key is None:
            return None
        is_retry = tries_of(run.spec.key) > 0
        entry = Entry(number, run.id, run.spec.key, self._ordinals, cell_of(run))
        self.entries[run.id] = entry
        self._keys.add(entry.key)
        if is_retry:
            self._failed.pop(_tried(run.spec.key), None)
        else:
            self._ordinals += 1
            self._replicas[entry.digest] = self._replicas.get(entry.digest, 0) + 1
        if self.watches:
            self.unread[run.id] = entry
        return entry

    def _start_over(self, entry: Entry, attempt: int) -> None:
        """Another attempt logs from the start: what the one before logged counts no more."""
        for interval, mark in entry.marks.items():
            self._standings[interval].remove(mark)
        before, entry.history = entry.history.best, History()
        self._rank(entry, before)
        entry.attempt, entry.marks, entry.place, entry.due = attempt, {}, 0, 0

    def _rank(self, entry: Entry, before: float) -> None:
        if before != WORST:
            del self._scored[bisect_left(self._scored, (before, entry.number, entry.id))]
        if entry.history.best != WORST:
            insort(self._scored, (entry.history.best, entry.number, entry.id))

    def _note_end(self, entry: Entry) -> None:
        if entry.status is Status.FAILED and not self._has_later_try(entry):
            self._failed[entry.key] = entry
        if self.watches:
            self.unread[entry.id] = entry

    def _has_later_try(self, entry: Entry) -> bool:
        return retry_key(entry.key) in self._keys

    def _known(self) -> list[Known]:
        """The trials that a sampler learns from: the best, the latest, and those that go on."""
        if not self.suggester.is_guided:
            return []
        chosen = {each: self.entries[each] for _, _, each in self._scored[-SEEN // 4 :]}
        for entry in reversed(self.entries.values()):
            if len(chosen) >= SEEN:
                break
            if entry.history.best != WORST:
                chosen[entry.id] = entry
        chosen.update(self.open)
        sign = 1 if self.sweep.spec.primary_metric.goal == "maximize" else -1
        return [
            Known(
                entry.values,
                None if entry.history.best == WORST else sign * entry.history.best,
                entry.open,
            )
            for entry in sorted(chosen.values(), key=lambda each: each.number)
        ]


def load(sweep: Sweep, run: Run, suggester: Suggester, trials: Iterable[Run]) -> Book:
    """The book of a sweep whose trials are these."""
    book = Book(sweep, run, suggester)
    for trial in trials:
        book.put(trial)
    return book


def _tried(key: str) -> str:
    """The key that a retry's key follows on."""
    stem, _, tries = key.partition(".")
    return stem if tries == "1" else f"{stem}.{int(tries) - 1}"
