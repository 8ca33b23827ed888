"""What the sweeper holds of one sweep: its trials, few words each, and how they stand.

It is made from the store and follows commits; nothing in it is needed after a crash. A trial is
kept as its cell and a few numbers, never as its run or its metrics, so ten thousand of them fit
into some megabytes.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from dispatcher.core.runs.lifecycle import Run, Status
from dispatcher.core.sweeps.pruners import (
    WORST,
    History,
    Mark,
    NoTermination,
    Standings,
    is_due,
    orient,
    should_stop,
)
from dispatcher.core.sweeps.search_space import config_hash
from dispatcher.core.sweeps.sweep import Cell, Counts, Sweep, key_of, retry_key, tries_of
from dispatcher.services.sweeps.suggester import Suggester
from dispatcher.services.sweeps.trial_history import SEEN, TrialRecord
from dispatcher.services.sweeps.trials import cell_of, final_scores, generation_of, number_of
from dispatcher.store.metrics.contract import Sample


@dataclass
class TrialState:
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
    scores: tuple[float, ...] = ()  # a value for each metric; none while one is missing
    lasts: dict[str, float] = field(default_factory=dict)  # of several metrics, the last of each
    places: dict[str, int] = field(default_factory=dict)  # by metric, up to where it is read
    generation: int | None = None
    parents: tuple[int, ...] = ()
    note: str | None = None  # the two as the trial has them
    seen: TrialRecord | None = None  # as a sampler sees it, made when it is asked for
    marks: dict[int, Mark] = field(default_factory=dict)
    due: int = 0  # the last interval at which the policy is applied to it

    @property
    def digest(self) -> str:
        return self.key.partition("#")[0]


class SweepState:
    """The trials of one sweep."""

    def __init__(self, sweep: Sweep, run: Run, suggester: Suggester) -> None:
        self.sweep, self.run = sweep, run
        self.suggester = suggester
        self.trials: dict[str, TrialState] = {}
        self.open: dict[str, TrialState] = {}
        self.unread: dict[str, TrialState] = {}  # these may have logged something new
        self.stopped: set[str] = set()
        self.lines: list[str] = []  # of its log, not written yet
        self.flushed = 0.0
        self._replicas: dict[str, int] = {}
        self._failed: dict[str, TrialState] = {}  # by key; those that may be tried again
        self._standings: dict[int, Standings] = {}
        self._ordinals = 0
        self._keys: set[str] = set()
        self._scored: list[list[tuple[float, int, str]]] = []  # by metric, the worst trial first
        self._numbers: list[tuple[int, str]] = []  # of the trials with scores
        self._generations: dict[int, list[TrialState]] = {}

    @property
    def deadline(self) -> float:
        return self.sweep.spec.deadline(self.run.created_at)

    @property
    def watches(self) -> bool:
        """Whether what is done next depends on metrics."""
        return self.suggester.is_guided or not isinstance(self.sweep.spec.policy, NoTermination)

    def put(self, run: Run) -> bool:
        """Take a trial as it is; whether that was news."""
        trial = self.trials.get(run.id)
        if trial is None:
            trial = self._new(run)
            if trial is None:
                return False
        elif trial.version >= run.version:
            return False
        if trial.attempt != run.attempt:
            self._start_over(trial, run.attempt)
        trial.version, trial.status, trial.open = run.version, run.status, not run.terminal
        trial.seen = None
        if trial.open:
            self.open[run.id] = trial
            self._failed.pop(trial.key, None)
        elif self.open.pop(run.id, None) is not None or run.terminal:
            self._note_end(trial)
        return True

    def heard(self, run_id: str) -> bool:
        """A trial has logged something; whether that concerns anybody."""
        trial = self.trials.get(run_id)
        if trial is None or not self.watches:
            return False
        if trial.open and isinstance(self.sweep.spec.policy, NoTermination):
            return False  # a sampler learns from those that have ended, and then it is read
        self.unread[run_id] = trial
        return True

    def counts(self) -> Counts:
        return Counts(
            made=self._ordinals,
            open=len(self.open),
            to_retry=len(self.to_retry()),
            left=self.suggester.left(self._replicas),
        )

    def to_retry(self) -> list[TrialState]:
        """Failed trials that are to be tried again, in their order."""
        if not self.sweep.retries:
            return []
        due = [each for each in self._failed.values() if tries_of(each.key) < self.sweep.retries]
        return sorted(due, key=lambda each: each.number)

    def cells(self, start: int, retry: int) -> list[Cell]:
        """The next trials: so many retries, so many new ones."""
        number = len(self.trials)
        cells = [
            Cell(number + k, retry_key(trial.key), trial.values, trial.note)
            for k, trial in enumerate(self.to_retry()[:retry])
        ]
        if not start:
            return cells
        ordinals = range(self._ordinals, self._ordinals + start)
        found = self.suggester.suggest(ordinals, self._replicas, self)
        replicas: dict[str, int] = {}
        for each in found:
            digest = config_hash(each.values)
            replica = self._replicas.get(digest, 0) + replicas.get(digest, 0)
            replicas[digest] = replicas.get(digest, 0) + 1
            key = key_of(digest, replica)
            cells.append(Cell(number + len(cells), key, each.values, each.generation))
        return cells

    def read(self, trial: TrialState, samples: Sequence[Sample], metric: str | None = None) -> None:
        """Take what a trial has logged since, of the primary metric or of another."""
        spec = self.sweep.spec
        name = metric or spec.primary_metric.name
        if spec.further_metrics:
            for place, value, _t, _step in samples:
                trial.places[name], trial.lasts[name] = place, value
            self._score(trial, final_scores(trial.lasts, spec.metrics))
            return
        for place, value, _t, _step in samples:
            mark = trial.history.log(value, spec.primary_metric.goal)
            trial.places[name] = place
            if is_due(spec.policy, trial.history.count, trial.number):
                interval = trial.history.count
                trial.due, trial.marks[interval] = interval, mark
                self._standings.setdefault(interval, Standings()).add(mark)
        best = trial.history.best
        self._score(trial, () if best == WORST else (orient(best, spec.primary_metric.goal),))

    def judge(self) -> list[tuple[TrialState, int]]:
        """The open trials that the policy ends now, each with the interval at which it stands."""
        spec = self.sweep.spec
        found = [
            (trial, trial.due)
            for trial in self.open.values()
            if trial.due
            and trial.id not in self.stopped
            and should_stop(
                spec.policy,
                trial.marks[trial.due],
                self._standings[trial.due],
            )
        ]
        self.stopped.update(trial.id for trial, _ in found)
        return found

    def _new(self, run: Run) -> TrialState | None:
        number = number_of(run)
        if number is None or run.spec.key is None:
            return None
        is_retry = tries_of(run.spec.key) > 0
        trial = TrialState(number, run.id, run.spec.key, self._ordinals, cell_of(run))
        self.trials[run.id] = trial
        noted = generation_of(run)
        if noted is not None:
            trial.generation, trial.parents, trial.note = noted
            self._generations.setdefault(trial.generation, []).append(trial)
        self._keys.add(trial.key)
        if is_retry:
            self._failed.pop(_tried(run.spec.key), None)
        else:
            self._ordinals += 1
            self._replicas[trial.digest] = self._replicas.get(trial.digest, 0) + 1
        if self.watches:
            self.unread[run.id] = trial
        return trial

    def _start_over(self, trial: TrialState, attempt: int) -> None:
        """Another attempt logs from the start: what the one before logged counts no more."""
        for interval, mark in trial.marks.items():
            self._standings[interval].remove(mark)
        self._score(trial, ())
        trial.history, trial.lasts, trial.places = History(), {}, {}
        trial.attempt, trial.marks, trial.due = attempt, {}, 0

    def _score(self, trial: TrialState, scores: tuple[float, ...]) -> None:
        """Keep the order of the trials by each metric, and by number."""
        if scores == trial.scores:
            return
        metrics = self.sweep.spec.metrics
        self._scored = self._scored or [[] for _ in metrics]
        for ranked, metric, value in zip(self._scored, metrics, trial.scores, strict=False):
            place = (orient(value, metric.goal), trial.number, trial.id)
            del ranked[bisect_left(ranked, place)]
        for ranked, metric, value in zip(self._scored, metrics, scores, strict=False):
            insort(ranked, (orient(value, metric.goal), trial.number, trial.id))
        if not trial.scores:
            insort(self._numbers, (trial.number, trial.id))
        elif not scores:
            del self._numbers[bisect_left(self._numbers, (trial.number, trial.id))]
        trial.scores, trial.seen = scores, None

    def _note_end(self, trial: TrialState) -> None:
        if trial.status is Status.FAILED and not self._has_later_try(trial):
            self._failed[trial.key] = trial
        if self.watches:
            self.unread[trial.id] = trial

    def _has_later_try(self, trial: TrialState) -> bool:
        return retry_key(trial.key) in self._keys

    def known(self) -> list[TrialRecord]:
        """The trials that a sampler learns from: the best, the latest, and those that go on."""
        best = SEEN // 4 // max(1, len(self._scored))
        ids: set[str] = set()
        for ranked in self._scored:
            ended = (run_id for _, _, run_id in reversed(ranked) if run_id not in self.open)
            ids.update(islice(ended, best))
        for _, run_id in reversed(self._numbers):
            if len(ids) >= SEEN:
                break
            if run_id not in self.open:
                ids.add(run_id)
        trials = [self.trials[run_id] for run_id in ids.union(self.open)]
        return [_known(trial) for trial in sorted(trials, key=lambda each: each.number)]

    def numbered(self, number: int) -> TrialRecord | None:
        """The trial of that number."""
        trial = self.trials.get(f"{self.run.id}_{number}")
        return None if trial is None else _known(trial)

    def generation(self, generation: int) -> list[TrialRecord]:
        """All trials of a generation, by number."""
        trials = self._generations.get(generation, ())
        return [_known(trial) for trial in sorted(trials, key=lambda each: each.number)]


def load(sweep: Sweep, run: Run, suggester: Suggester, trials: Iterable[Run]) -> SweepState:
    """The state of a sweep whose trials are these."""
    state = SweepState(sweep, run, suggester)
    for trial in trials:
        state.put(trial)
    return state


def _known(trial: TrialState) -> TrialRecord:
    if trial.seen is None:
        trial.seen = TrialRecord(
            trial.number, trial.values, trial.scores, trial.open, trial.generation, trial.parents
        )
    return trial.seen


def _tried(key: str) -> str:
    """The key that a retry's key follows on."""
    stem, _, tries = key.partition(".")
    return stem if tries == "1" else f"{stem}.{int(tries) - 1}"
