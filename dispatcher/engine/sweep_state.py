"""The state of one sweep in memory: its trials, their scores, and the log lines not yet written.

The state is built from the store and follows commits; a crash loses nothing of it. A trial is held
as its cell and a few numbers, without its run and its metrics: ten thousand trials take a few
megabytes.
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
from dispatcher.services.sweeps.trial_history import MAX_HISTORY, TrialRecord
from dispatcher.services.sweeps.trials import cell_of, final_scores, generation_of, number_of
from dispatcher.store.metrics.contract import Sample


@dataclass
class TrialState:
    """One trial.

    Attributes:
        ordinal: Its position among the trials that are no retries.
        scores: A value for each metric; empty while one is missing.
        last_values: With several metrics, the last value of each.
        positions: By metric, the position up to which it is read.
        note: Generation and parents, as the trial's property has them.
        record: The trial for a sampler; created when a sampler asks for it.
        due: The last interval at which the policy is applied.
    """

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
    scores: tuple[float, ...] = ()
    last_values: dict[str, float] = field(default_factory=dict)
    positions: dict[str, int] = field(default_factory=dict)
    generation: int | None = None
    parents: tuple[int, ...] = ()
    note: str | None = None
    record: TrialRecord | None = None
    marks: dict[int, Mark] = field(default_factory=dict)
    due: int = 0

    @property
    def digest(self) -> str:
        return self.key.partition("#")[0]


class SweepState:
    """The trials of one sweep.

    Attributes:
        open: The trials that have not ended, by run id.
        unread: The trials that may have new metrics, by run id.
        stopped: Run ids of the trials that the policy has ended.
        log_lines: Lines of the sweep's log that are not written yet.
        flushed: Monotonic seconds of the last write to the log.
    """

    def __init__(self, sweep: Sweep, run: Run, suggester: Suggester) -> None:
        self.sweep, self.run = sweep, run
        self.suggester = suggester
        self.trials: dict[str, TrialState] = {}
        self.open: dict[str, TrialState] = {}
        self.unread: dict[str, TrialState] = {}
        self.stopped: set[str] = set()
        self.log_lines: list[str] = []
        self.flushed = 0.0
        self._replicas: dict[str, int] = {}
        self._failed: dict[str, TrialState] = {}  # by key, without a later try
        self._standings: dict[int, Standings] = {}
        self._ordinals = 0
        self._keys: set[str] = set()
        self._scored: list[list[tuple[float, int, str]]] = []  # by metric, worst first
        self._numbers: list[tuple[int, str]] = []  # of the trials with scores
        self._generations: dict[int, list[TrialState]] = {}

    @property
    def deadline(self) -> float:
        return self.sweep.spec.deadline(self.run.created_at)

    @property
    def uses_metrics(self) -> bool:
        """Whether the sampler or the policy depends on metrics."""
        return self.suggester.is_guided or not isinstance(self.sweep.spec.policy, NoTermination)

    def put(self, run: Run) -> bool:
        """Update a trial from its run; return whether anything changed."""
        trial = self.trials.get(run.id)
        if trial is None:
            trial = self._add(run)
            if trial is None:
                return False
        elif trial.version >= run.version:
            return False
        if trial.attempt != run.attempt:
            self._reset(trial, run.attempt)
        trial.version, trial.status, trial.open = run.version, run.status, not run.terminal
        trial.record = None
        if trial.open:
            self.open[run.id] = trial
            self._failed.pop(trial.key, None)
        elif self.open.pop(run.id, None) is not None or run.terminal:
            self._note_end(trial)
        return True

    def mark_unread(self, run_id: str) -> bool:
        """Mark a trial that has logged metrics as unread; return whether they are needed now."""
        trial = self.trials.get(run_id)
        if trial is None or not self.uses_metrics:
            return False
        if trial.open and isinstance(self.sweep.spec.policy, NoTermination):
            return False  # a sampler needs ended trials only; their metrics are read at their end
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
        """Failed trials that are to be retried, by number."""
        if not self.sweep.retries:
            return []
        due = [each for each in self._failed.values() if tries_of(each.key) < self.sweep.retries]
        return sorted(due, key=lambda each: each.number)

    def cells(self, start: int, retry: int) -> list[Cell]:
        """The cells of the next trials: `retry` retries, then up to `start` new ones."""
        number = len(self.trials)
        cells = [
            Cell(number + k, retry_key(trial.key), trial.values, trial.note)
            for k, trial in enumerate(self.to_retry()[:retry])
        ]
        if not start:
            return cells
        ordinals = range(self._ordinals, self._ordinals + start)
        suggestions = self.suggester.suggest(ordinals, self._replicas, self)
        replicas: dict[str, int] = {}
        for suggestion in suggestions:
            digest = config_hash(suggestion.values)
            replica = self._replicas.get(digest, 0) + replicas.get(digest, 0)
            replicas[digest] = replicas.get(digest, 0) + 1
            key = key_of(digest, replica)
            cells.append(Cell(number + len(cells), key, suggestion.values, suggestion.generation))
        return cells

    def read(self, trial: TrialState, samples: Sequence[Sample], metric: str | None = None) -> None:
        """Add new samples of a trial's metric.

        Args:
            trial: The trial.
            samples: The samples after `trial.positions`, in logging order.
            metric: The metric's name; None means the primary metric.
        """
        spec = self.sweep.spec
        name = metric or spec.primary_metric.name
        if spec.further_metrics:
            for position, value, _t, _step in samples:
                trial.positions[name], trial.last_values[name] = position, value
            self._score(trial, final_scores(trial.last_values, spec.metrics))
            return
        for position, value, _t, _step in samples:
            mark = trial.history.log(value, spec.primary_metric.goal)
            trial.positions[name] = position
            if is_due(spec.policy, trial.history.count, trial.number):
                interval = trial.history.count
                trial.due, trial.marks[interval] = interval, mark
                self._standings.setdefault(interval, Standings()).add(mark)
        best = trial.history.best
        self._score(trial, () if best == WORST else (orient(best, spec.primary_metric.goal),))

    def trials_to_stop(self) -> list[tuple[TrialState, int]]:
        """The open trials that the policy ends now, each with its interval; none is given twice."""
        spec = self.sweep.spec
        to_stop = [
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
        self.stopped.update(trial.id for trial, _ in to_stop)
        return to_stop

    def _add(self, run: Run) -> TrialState | None:
        number = number_of(run)
        if number is None or run.spec.key is None:
            return None
        is_retry = tries_of(run.spec.key) > 0
        trial = TrialState(number, run.id, run.spec.key, self._ordinals, cell_of(run))
        self.trials[run.id] = trial
        generation = generation_of(run)
        if generation is not None:
            trial.generation, trial.parents, trial.note = generation
            self._generations.setdefault(trial.generation, []).append(trial)
        self._keys.add(trial.key)
        if is_retry:
            self._failed.pop(_previous_key(run.spec.key), None)
        else:
            self._ordinals += 1
            self._replicas[trial.digest] = self._replicas.get(trial.digest, 0) + 1
        if self.uses_metrics:
            self.unread[run.id] = trial
        return trial

    def _reset(self, trial: TrialState, attempt: int) -> None:
        """Drop the metrics of the previous attempt; the new attempt logs from the start."""
        for interval, mark in trial.marks.items():
            self._standings[interval].remove(mark)
        self._score(trial, ())
        trial.history, trial.last_values, trial.positions = History(), {}, {}
        trial.attempt, trial.marks, trial.due = attempt, {}, 0

    def _score(self, trial: TrialState, scores: tuple[float, ...]) -> None:
        """Set a trial's scores and keep the trials sorted by each metric and by number."""
        if scores == trial.scores:
            return
        metrics = self.sweep.spec.metrics
        self._scored = self._scored or [[] for _ in metrics]
        for ranked, metric, value in zip(self._scored, metrics, trial.scores, strict=False):
            entry = (orient(value, metric.goal), trial.number, trial.id)
            del ranked[bisect_left(ranked, entry)]
        for ranked, metric, value in zip(self._scored, metrics, scores, strict=False):
            insort(ranked, (orient(value, metric.goal), trial.number, trial.id))
        if not trial.scores:
            insort(self._numbers, (trial.number, trial.id))
        elif not scores:
            del self._numbers[bisect_left(self._numbers, (trial.number, trial.id))]
        trial.scores, trial.record = scores, None

    def _note_end(self, trial: TrialState) -> None:
        if trial.status is Status.FAILED and not self._has_later_try(trial):
            self._failed[trial.key] = trial
        if self.uses_metrics:
            self.unread[trial.id] = trial

    def _has_later_try(self, trial: TrialState) -> bool:
        return retry_key(trial.key) in self._keys

    def known(self) -> list[TrialRecord]:
        """The trials that a sampler learns from: the best, the latest, and the open ones."""
        best = MAX_HISTORY // 4 // max(1, len(self._scored))
        ids: set[str] = set()
        for ranked in self._scored:
            ended = (run_id for _, _, run_id in reversed(ranked) if run_id not in self.open)
            ids.update(islice(ended, best))
        for _, run_id in reversed(self._numbers):
            if len(ids) >= MAX_HISTORY:
                break
            if run_id not in self.open:
                ids.add(run_id)
        trials = [self.trials[run_id] for run_id in ids.union(self.open)]
        return [_record_of(trial) for trial in sorted(trials, key=lambda each: each.number)]

    def by_number(self, number: int) -> TrialRecord | None:
        """The trial with that number; None if there is none."""
        trial = self.trials.get(f"{self.run.id}_{number}")
        return None if trial is None else _record_of(trial)

    def generation(self, generation: int) -> list[TrialRecord]:
        """All trials of a generation, sorted by number."""
        trials = self._generations.get(generation, ())
        return [_record_of(trial) for trial in sorted(trials, key=lambda each: each.number)]


def load(sweep: Sweep, run: Run, suggester: Suggester, trials: Iterable[Run]) -> SweepState:
    """The state of a sweep with these trials."""
    state = SweepState(sweep, run, suggester)
    for trial in trials:
        state.put(trial)
    return state


def _record_of(trial: TrialState) -> TrialRecord:
    if trial.record is None:
        trial.record = TrialRecord(
            trial.number, trial.values, trial.scores, trial.open, trial.generation, trial.parents
        )
    return trial.record


def _previous_key(key: str) -> str:
    """The key of the try before a retry."""
    stem, _, tries = key.partition(".")
    return stem if tries == "1" else f"{stem}.{int(tries) - 1}"
