"""One turn of the engine: what has come in, what follows from it, what is to be done once that is
recorded.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from dispatcher.core.jobs import Evidence, Job, Observation, State
from dispatcher.core.lifecycle import (
    Event,
    Exited,
    Failed,
    Placed,
    Run,
    Slot,
    SlotTaken,
    Status,
    step,
)
from dispatcher.core.reconciliation import NOT_STARTED, Action, settle
from dispatcher.core.scheduling import Plan
from dispatcher.core.verdicts import Verdict, error_of
from dispatcher.engine.fleet import Called, Fleet, Member, Message, Resized, Seen, Silent
from dispatcher.engine.ledger import NOT_YET, Ledger
from dispatcher.engine.placing import Placer
from targets.base import LaunchRefused

JobsFor = Callable[[Run], list[Job]]
Move = tuple[Run, Run, tuple[Event, ...]]
log = logging.getLogger(__name__)
ENDED = (State.EXITED, State.REMOVED)
UNKNOWN = Observation(State.UNKNOWN)


@dataclass
class _Work:
    """What to ask of one target after the commit."""

    launch: list[Run] = field(default_factory=list)
    stop: dict[float, list[str]] = field(default_factory=dict)
    remove: list[str] = field(default_factory=list)
    poll: list[str] = field(default_factory=list)


class Turn:
    """Gathers, decides, and says what to do."""

    def __init__(self, ledger: Ledger, fleet: Fleet, placer: Placer, now: float) -> None:
        self._ledger, self._fleet, self._placer = ledger, fleet, placer
        self.now = now
        self._dirty: dict[str, None] = {}
        self._asked: set[str] = set()
        self._unsure: set[str] = set()  # targets that may have changed unseen
        self._roomier: set[str] = set()  # targets that have more room than their nodes know
        self._moves: list[Move] = []
        self._actions: dict[str, Action] = {}

    def committed(self, run: Run) -> None:
        """A run as someone committed it."""
        if self._ledger.put(run):
            self._dirty[run.id] = None
        if run.slot is Slot.LENT:
            self._roomier.add(run.spec.target)  # its node does not know of that

    def take(self, message: Message) -> None:
        match message:
            case Seen(target, jobs):
                self._see(self._ledger.placed_at(target, jobs))
                if not jobs:
                    self._unsure.add(target)
            case Silent(_, names):
                self._see(dict.fromkeys(names, UNKNOWN))
            case Called():
                self._returned(message)
            case Resized(target):
                self._placer.freed(target)
                self._roomier.add(target)

    def moves(self) -> list[Move]:
        """What is to be recorded, in one commit."""
        self._moves = []
        for run_id in self._dirty:
            run = self._ledger.get(run_id)
            if run is not None:
                self._settle(run)
        self._asked |= self._dirty.keys()
        self._dirty = {}
        self._apply_to_ledger()
        for made, runs in self._placer.plans():
            self._place(made, runs)
        return self._moves

    def recorded(self, lost: set[str], fresh: Mapping[str, Run]) -> None:
        """The commit is done; runs that had moved meanwhile are asked about again."""
        for before, after, _events in self._moves:
            if after.id in lost:
                self._actions.pop(after.id, None)
                self._ledger.drop(before.id)
                self._placer.freed(before.spec.target)
        for run in fresh.values():
            self._ledger.put(run)
            self._placer.offer(run)
            self._dirty[run.id] = None

    def act(self, jobs_for: JobsFor) -> None:
        """Ask the targets for what the runs are owed now."""
        self._call_up()
        for target, work in self._work().items():
            member = self._fleet[target]
            if member is None:
                continue
            if work.launch:
                self._launch(member, work.launch, jobs_for)
            for grace, names in work.stop.items():
                self._ledger.busy(names, "stop")
                member.stop(names, grace)
            if work.remove:
                self._ledger.busy(work.remove, "remove")
                member.remove(work.remove)
            if work.poll:
                member.poll(work.poll)

    def _call_up(self) -> None:
        """What is in line at a node that has more room than it knows is launched without a line."""
        for target in self._roomier:
            line = self._placer.line(target)
            for run in self._ledger.of_target(target):
                if run.status in NOT_STARTED and run.id not in line:
                    self._actions.setdefault(run.id, Action.LAUNCH)

    def _see(self, jobs: Mapping[str, Observation]) -> None:
        for name, observation in jobs.items():
            run_id = self._ledger.see(name, observation)
            if run_id is not None:
                self._dirty[run_id] = None

    def _returned(self, call: Called) -> None:
        concerned = self._ledger.returned(call.names)
        self._dirty.update(dict.fromkeys(concerned))
        if call.verb == "remove":
            gone = [name for name in call.names if name not in call.failures]
            self._see(dict.fromkeys(gone, Observation(State.REMOVED)))
            return
        if call.verb == "stop":
            self._ledger.forget_seen(call.names, (*NOT_YET, State.ALIVE))  # may be history now
        for name, error in call.failures.items():
            if isinstance(error, LaunchRefused):
                self._see({name: _cannot_start(error, self.now)})

    def _settle(self, run: Run) -> None:
        seen = self._ledger.seen(run)
        if seen is None:
            return
        after, events, action = settle(run, seen, self.now)
        if events:
            self._moves.append((run, after, tuple(events)))
            for event in events:
                if isinstance(event, Exited):
                    self._took(run, event.evidence)
        if action is not None:
            self._actions[run.id] = action
        else:
            self._actions.pop(run.id, None)

    def _took(self, run: Run, evidence: Evidence) -> None:
        if evidence.started_at is not None and evidence.ended_at is not None:
            self._placer.took(run.spec.target, evidence.ended_at - evidence.started_at)

    def _apply_to_ledger(self) -> None:
        """Plan with the runs as they will be: what ends in this commit is free in this commit."""
        for before, after, _events in self._moves:
            self._ledger.put(after)
            if before.holds != after.holds or before.status is not after.status:
                self._placer.freed(after.spec.target)
            if before.holds and not after.holds and self._ledger.lends(after.spec.target):
                self._roomier.add(after.spec.target)
            if after.status is Status.QUEUED:
                self._placer.offer(after)

    def _place(self, made: Plan, runs: Mapping[str, Run]) -> None:
        for run_id, placement in made.placements.items():
            run = runs[run_id]
            self._move(run, Placed(placement) if run.status is Status.QUEUED else SlotTaken())
        for run_id, reason in made.refused.items():
            verdict = Verdict("user", "Unsatisfiable", f"The run can never be placed: it {reason}.")
            self._move(runs[run_id], Failed(self.now, error_of(verdict)))

    def _move(self, run: Run, event: Event) -> None:
        after = step(run, event)
        self._placer.drop(run)
        earlier = next((k for k, move in enumerate(self._moves) if move[1] is run), None)
        if earlier is None:
            self._moves.append((run, after, (event,)))
        else:
            before, _, events = self._moves[earlier]
            self._moves[earlier] = (before, after, (*events, event))
        if isinstance(event, Placed):
            self._ledger.placed_now(after)
            self._actions[after.id] = Action.LAUNCH
        else:
            self._ledger.put(after)

    def _launch(self, member: Member, runs: Sequence[Run], jobs_for: JobsFor) -> None:
        jobs: list[Job] = []
        line = self._placer.line(member.name)
        for run in runs:
            try:
                made = jobs_for(run)
                jobs += (
                    [replace(job, cpu_budget=line[run.id]) for job in made]
                    if run.id in line
                    else made
                )
            except Exception as error:  # this run alone is at fault: it must not hold up the others
                log.exception("no job can be made of the run", extra={"run": run.id})
                self._see(dict.fromkeys(run.job_names, _cannot_start(error, self.now)))
        names = [job.name for job in jobs]
        self._ledger.busy(names, "launch")
        self._ledger.forget_seen(names, NOT_YET)  # what comes now is news
        member.launch(jobs)

    def _work(self) -> dict[str, _Work]:
        work: dict[str, _Work] = {}
        for run_id, action in self._actions.items():
            run = self._ledger.get(run_id)
            if run is not None and not self._ledger.is_busy(run):
                self._add(work.setdefault(run.spec.target, _Work()), run, action)
        for target, names in self._ledger.removals(self.now).items():
            work.setdefault(target, _Work()).remove.extend(names)
        names_of = self._ledger.names_by_target() if self._unsure else {}
        for target in self._unsure & names_of.keys():
            work.setdefault(target, _Work()).poll.extend(names_of[target])
        for run in self._unseen():
            work.setdefault(run.spec.target, _Work()).poll.extend(run.job_names)
        self._actions = {}
        return work

    def _add(self, work: _Work, run: Run, action: Action) -> None:
        names = [n for n in run.job_names if self._ledger.due(n, action.name, self.now)]
        if action is Action.LAUNCH:
            work.launch.append(run)
        elif action is Action.STOP:
            there = [n for n in names if self._ledger.state(n) not in ENDED]
            work.stop.setdefault(run.spec.grace_seconds, []).extend(there)
        elif run.terminal:
            self._ledger.remove_later(run.spec.target, names)  # nobody waits for that
        else:
            work.remove.extend(names)

    def _unseen(self) -> Iterable[Run]:
        """Runs that something happened to and of which nothing is known: look now, not at the next
        look.
        """
        for run_id in self._asked:
            run = self._ledger.get(run_id)
            if run is None or self._ledger.is_busy(run) or self._ledger.seen(run) is not None:
                continue
            if run.status not in NOT_STARTED:
                yield run


def _cannot_start(error: Exception, now: float) -> Observation:
    tail = error.tail if isinstance(error, LaunchRefused) else ""
    evidence = Evidence(reason=f"cannot start: {error}", ended_at=now, tail=tail)
    return Observation(State.EXITED, None, evidence)
