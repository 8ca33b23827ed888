"""What follows from the view: the events to record. Pure.

First each run with news is settled by what is observed of its jobs. Then each target with free
resources, a new queue or a returning parent is planned, with the runs as they will be: what ends in
a commit is free in that commit.
"""

from collections.abc import Iterator, Mapping

from dispatcher.core.reconciliation import settle
from dispatcher.core.runs.lifecycle import Event, Failed, Placed, Run, SlotTaken, Status, step
from dispatcher.core.runs.verdicts import Verdict, error_of
from dispatcher.core.scheduling.plan import Capacity, Plan, nothing_left, plan
from dispatcher.core.scheduling.requests import default_gpus, queued_request, slot_request
from dispatcher.core.scheduling.shared_gpus import gpu_names, without_gpus
from dispatcher.core.scheduling.usage import Usage
from dispatcher.engine.facts import TargetFacts
from dispatcher.engine.moves import Decision, Move
from dispatcher.engine.placed_runs import is_waiting_parent, wants_slot
from dispatcher.engine.prefetching import stretched
from dispatcher.engine.queue_window import QueueWindow
from dispatcher.engine.view import EngineView, News

LOOK_PAST = 32  # runs looked at beyond those that fill the target: smaller ones may fit


def decide(view: EngineView, news: News, now: float) -> Decision:
    """Decide what is to be recorded.

    Args:
        view: It is not changed.
        news: The runs to settle and the targets to plan.
        now: Wall-clock seconds, for the events' times.
    """
    draft = _Draft(view, now)
    for run_id in news.runs:
        draft.settle(run_id)
    for target in news.targets | draft.freed_targets():
        draft.plan(target)
    return Decision(list(draft.moves.values()), draft.faults, draft.spans)


class _Draft:
    """The decision while it is made, laid over the view."""

    def __init__(self, view: EngineView, now: float) -> None:
        self._view, self._now = view, now
        self.moves: dict[str, Move] = {}
        self.faults: dict[str, str] = {}
        self.spans: dict[str, float] = {}

    def settle(self, run_id: str) -> None:
        """Decide what an owed run's observations mean. A run that cannot be settled is a fault."""
        run = self._view.placed.get(run_id)
        observation = None if run is None else self._view.jobs.of_run(run)
        if run is None or observation is None or run_id in self._view.parked:
            return
        try:
            after, events, _action = settle(run, observation, self._now)
        except Exception as error:  # whatever is wrong with it: the other runs go on
            self.faults[run_id] = f"it cannot be settled: {type(error).__name__}: {error}"
            return
        if events:
            self.moves[run_id] = Move(run, after, tuple(events))

    def freed_targets(self) -> set[str]:
        """Targets where the moves so far change what is free, with those that share their GPUs."""
        freed = {move.after.spec.target for move in self.moves.values() if move.frees}
        return freed.union(*map(self._view.sharing_gpus, freed))

    def plan(self, target: str) -> None:
        """Place what fits, give slots back, refuse what can never fit."""
        facts, window = self._view.targets.get(target), self._view.windows.get(target)
        if facts is None or facts.present is None or facts.whole is None:
            return
        returning = [run for run in self._waiting_parents(target) if wants_slot(run)]
        factor = self._factor(target, facts.present)
        free = self._free(target, stretched(facts.present, factor))
        is_idle = not returning and not (window and len(window))
        if is_idle or (nothing_left(free) and not (window and window.has_runs_without_cpus)):
            return
        queue = [run for run in _head(window, free) if run.id not in self._view.parked]
        made = self._plan(target, facts, free, returning, queue)
        self._apply(made, {run.id: run for run in [*returning, *queue]})
        if factor > 1 and window and len(made.placements) < len(window):
            self.spans[target] = self._view.prefetching.span(target, factor)

    def _plan(
        self, target: str, facts: TargetFacts, free: Capacity, returning: list[Run],
        queue: list[Run],
    ) -> Plan:  # fmt: skip
        assert facts.whole is not None
        gpus = default_gpus(facts.config, facts.whole)
        requests = [
            *map(slot_request, sorted(returning, key=lambda run: (-run.spec.priority, run.seq))),
            *(queued_request(run, gpus) for run in queue),
        ]
        return plan(requests, {target: free}, {target: facts.whole}, reasons=False)

    def _apply(self, made: Plan, runs: Mapping[str, Run]) -> None:
        for run_id, placement in made.placements.items():
            run = runs[run_id]
            is_queued = run.status is Status.QUEUED
            self._move(run, Placed(placement) if is_queued else SlotTaken())
        for run_id, reason in made.refused.items():
            verdict = Verdict("user", "Unsatisfiable", f"The run can never be placed: it {reason}.")
            self._move(runs[run_id], Failed(self._now, error_of(verdict)))

    def _move(self, run: Run, event: Event) -> None:
        earlier = self.moves.get(run.id)
        before, events = (run, ()) if earlier is None else (earlier.before, earlier.events)
        try:
            self.moves[run.id] = Move(before, step(run, event), (*events, event))
        except Exception as error:
            self.faults[run.id] = f"{type(event).__name__} fails: {type(error).__name__}: {error}"

    def _factor(self, target: str, present: Capacity) -> int:
        waits = any(True for _ in self._waiting_parents(target))
        return self._view.prefetching.factor(target, present, parents_wait=waits)

    def _waiting_parents(self, target: str) -> Iterator[Run]:
        """The waiting parents of a target, as they will be."""
        moved = [move for move in self.moves.values() if move.after.spec.target == target]
        ids = {move.after.id for move in moved}
        runs = [run for run in self._view.placed.waiting_parents(target) if run.id not in ids]
        runs += [move.after for move in moved if move.after.owed and is_waiting_parent(move.after)]
        return (run for run in runs if run.id not in self._view.parked)

    def _free(self, target: str, capacity: Capacity) -> Capacity:
        others = map(self._usage, self._view.sharing_gpus(target))
        taken = gpu_names(gpu for usage in others for gpu in usage.gpus())
        return without_gpus(self._usage(target).free(capacity), taken)

    def _usage(self, target: str) -> Usage:
        """What the runs of a target will hold."""
        usage = self._view.placed.usage(target)
        moved = [move for move in self.moves.values() if move.after.spec.target == target]
        if moved:
            usage = usage.copy()
            for move in moved:
                usage.remove(move.before)
                usage.add(move.after)
        return usage


def _head(window: QueueWindow | None, free: Capacity) -> list[Run]:
    """No more of the queue than could ever be placed at once.

    Runs without CPUs are not bounded by them: with such in the queue, all of it is looked at.
    """
    if window is None or window.has_runs_without_cpus:
        return list(window or ())
    room, head = sum(node.cpus for node in free.nodes), list[Run]()
    for run in window:
        head.append(run)
        room -= run.spec.cpus * run.spec.node_count
        if room <= 0 and len(head) >= LOOK_PAST:
            break
    return head
