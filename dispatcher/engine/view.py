"""The engine's view: what is stored and what was observed. The stages after it only read it.

It changes in three ways: messages are received, a commit of the engine is recorded, and the store
is audited. Nothing uncommitted is ever in it.
"""

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from dispatcher.core.runs.jobs import Evidence, Observation, State
from dispatcher.core.runs.lifecycle import Exited, Placed, Run, Slot, Status
from dispatcher.core.scheduling.shared_gpus import sharing
from dispatcher.engine.facts import TargetFacts
from dispatcher.engine.job_states import NOT_YET, JobStates
from dispatcher.engine.messages import (
    CallReturned,
    CapacityChanged,
    Message,
    Observed,
    RunsCommitted,
    Unreachable,
    Verb,
)
from dispatcher.engine.moves import Move
from dispatcher.engine.placed_runs import PlacedRuns, differs
from dispatcher.engine.prefetching import Prefetching
from dispatcher.engine.queue_window import QueueWindow
from targets.base import LaunchRefused

log = logging.getLogger(__name__)
_UNKNOWN = Observation(State.UNKNOWN)


@dataclass
class News:
    """What has changed in the view and has not been decided or acted on yet.

    Attributes:
        runs: Runs to be settled, and to be acted on afterwards.
        targets: Targets whose queue or free resources may have changed.
        unsure: Targets that may have changed without an observation: poll them.
        roomier: Targets that have more room than their nodes know.
    """

    runs: dict[str, None] = field(default_factory=dict)
    targets: set[str] = field(default_factory=set)
    unsure: set[str] = field(default_factory=set)
    roomier: set[str] = field(default_factory=set)


class EngineView:
    """Owed runs, their jobs, the queues' heads, and the targets, as far as they are known."""

    def __init__(self, prefetching: Prefetching | None = None) -> None:
        self.prefetching = prefetching or Prefetching()
        self.clear()

    def clear(self) -> None:
        """Forget everything, at the start of a leadership."""
        self.placed = PlacedRuns()
        self.jobs = JobStates()
        self.windows: dict[str, QueueWindow] = {}
        self.targets: dict[str, TargetFacts] = {}
        self._sharing: dict[str, list[str]] = {}
        self.parked: dict[str, tuple[int, str]] = {}  # run id -> its version, and why
        self.news = News()
        self.prefetching.clear()

    def take_news(self) -> News:
        """What has changed since the last call."""
        news, self.news = self.news, News()
        return news

    def receive(self, messages: Iterable[Message], now: float) -> None:
        """Take in messages. `now` is wall-clock time, for jobs that could not be launched."""
        for message in messages:
            match message:
                case RunsCommitted(runs):
                    for run in runs:
                        self.committed(run)
                case Observed(target, jobs):
                    self._observe(target, jobs)
                    if not jobs:
                        self.news.unsure.add(target)
                case Unreachable(target, names):
                    self._observe(target, dict.fromkeys(names, _UNKNOWN))
                case CallReturned():
                    self._call_returned(message, now)
                case CapacityChanged(target):
                    self.news.targets.add(target)
                    self.news.roomier.add(target)

    def committed(self, run: Run) -> None:
        """Take a run as somebody's commit has left it."""
        parked = self.parked.get(run.id)
        if parked is not None and run.version > parked[0]:
            del self.parked[run.id]
        known = self.placed.get(run.id)
        if self.placed.put(run):
            self._follow_jobs(known, run)
            self.news.runs[run.id] = None
        if run.slot is Slot.LENT:
            self.news.roomier.add(run.spec.target)
        self._offer(run)

    def recorded(self, move: Move) -> None:
        """Take a move that the engine has committed."""
        before, after = move.before, move.after
        target = after.spec.target
        lends = self.placed.lends(target)
        known = self.placed.get(after.id)
        self.placed.put(after)
        if any(isinstance(event, Placed) for event in move.events):
            self.jobs.own_unlaunched(after)
        else:
            self._follow_jobs(known, after)
        for event in move.events:
            if isinstance(event, Exited):
                self._note_duration(target, event.evidence)
        if before.holds and not after.holds and lends:
            self.news.roomier.add(target)
        window = self._window(target)
        window.offer(after)
        if after.status is Status.QUEUED or (before.holds and not after.holds and window.low):
            self.news.targets.add(target)

    def forget(self, run: Run) -> None:
        """Forget a run whose stored state is another; the store is asked for it."""
        known = self.placed.drop(run.id)
        if known is not None:
            self.jobs.disown(known)
        self._window(run.spec.target).drop(run.id)
        self.news.targets.add(run.spec.target)

    def park(self, run_id: str, version: int, reason: str) -> None:
        """Leave a run alone until somebody else changes it: what is to be done for it fails."""
        if self.parked.get(run_id) != (version, reason):
            log.error("the run is parked: %s", reason, extra={"run": run_id})
        self.parked[run_id] = (version, reason)

    def audited(
        self, owed: Collection[str], changed: Sequence[Run], after: int, until: int | None
    ) -> None:
        """Take the store's word for the owed runs with these submission numbers.

        Args:
            owed: The ids of all that are stored.
            changed: Those of them that are not as they are known here.
            after: Above this submission number.
            until: Up to this one; None: all above.
        """
        stored = {run.id: run for run in changed}
        for known in self.placed.between(after, until):
            other = stored.get(known.id)
            is_same = known.id in owed and other is None
            if not is_same and differs(known, other):
                self.placed.drop(known.id)
                self.jobs.disown(known)
                self.news.targets.add(known.spec.target)
        for run in changed:
            known_run = self.placed.get(run.id)
            if self.placed.put(run):
                self._follow_jobs(known_run, run)

    def fill_window(self, target: str, runs: Sequence[Run], *, complete: bool) -> None:
        """Replace the head of a target's queue by the store's."""
        self._window(target).fill(runs, complete=complete)
        self.news.targets.add(target)

    def low_windows(self, targets: Iterable[str]) -> list[str]:
        """Those of the targets whose queue's head should be read again."""
        return [target for target in targets if self._window(target).low]

    def set_targets(self, facts: Mapping[str, TargetFacts]) -> None:
        """Take what the targets have told of themselves."""
        for target in facts.keys() | self.targets.keys():
            if facts.get(target) != self.targets.get(target):
                self.news.targets.add(target)
        self.targets = dict(facts)
        configs = {name: each.config for name, each in facts.items()}
        self._sharing = {name: others for name in configs if (others := sharing(name, configs))}

    def sharing_gpus(self, target: str) -> list[str]:
        """The other targets that name a GPU of this one."""
        return self._sharing.get(target, [])

    def observe_failure(self, run: Run, error: Exception, now: float) -> None:
        """No job could be made of the run: it ends so."""
        self._observe(run.spec.target, dict.fromkeys(run.job_names, _cannot_start(error, now)))

    def _observe(self, target: str, jobs: Mapping[str, Observation]) -> None:
        """Note observations of jobs that were placed there.

        Targets that share a Docker engine see each other's jobs; those are left out.
        """
        for name, observation in jobs.items():
            run = self.placed.get(self.jobs.owner(name) or "")
            if run is not None and run.spec.target == target:
                self.jobs.observe(name, observation)
                self.news.runs[run.id] = None

    def _call_returned(self, call: CallReturned, now: float) -> None:
        self.news.runs.update(dict.fromkeys(self.jobs.end_call(call.names, call.verb)))
        if call.verb is Verb.REMOVE:
            removed = [name for name in call.names if name not in call.failures]
            self._observe(call.target, dict.fromkeys(removed, Observation(State.REMOVED)))
            return
        if call.verb is Verb.STOP:
            self.jobs.forget(call.names, (*NOT_YET, State.ALIVE))  # they may have changed by it
        for name, error in call.failures.items():
            if isinstance(error, LaunchRefused):
                self._observe(call.target, {name: _cannot_start(error, now)})

    def _offer(self, run: Run) -> None:
        """Let the queue's head follow a commit."""
        target = run.spec.target
        if run.spec.interactive:
            return
        if target in self.windows:
            self.windows[target].offer(run)
        elif run.status is Status.QUEUED:
            self._window(target).offer(run)
        self.news.targets.add(target)

    def _window(self, target: str) -> QueueWindow:
        return self.windows.setdefault(target, QueueWindow())

    def _follow_jobs(self, known: Run | None, run: Run) -> None:
        if known is not None and (known.attempt != run.attempt or not run.owed):
            self.jobs.disown(known)
        if run.owed:
            self.jobs.own(run)

    def _note_duration(self, target: str, evidence: Evidence) -> None:
        if evidence.started_at is not None and evidence.ended_at is not None:
            self.prefetching.note_duration(target, evidence.ended_at - evidence.started_at)


def _cannot_start(error: Exception, now: float) -> Observation:
    tail = error.tail if isinstance(error, LaunchRefused) else ""
    evidence = Evidence(reason=f"cannot start: {error}", ended_at=now, tail=tail)
    return Observation(State.EXITED, None, evidence)
