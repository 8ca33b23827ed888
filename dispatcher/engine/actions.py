"""What the targets are to be asked, worked out from the view after a commit."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from dispatcher.core.reconciliation import NOT_STARTED, Action, reconcile
from dispatcher.core.runs.jobs import State
from dispatcher.core.runs.lifecycle import Run, Status
from dispatcher.core.scheduling.requests import prefetched
from dispatcher.engine.messages import Verb
from dispatcher.engine.view import EngineView, News

ENDED = (State.EXITED, State.REMOVED)
REMOVE_EVERY = 0.5  # seconds
REMOVE_AT_ONCE = 100


@dataclass
class Work:
    """What to ask of one target.

    Attributes:
        launch: Runs whose jobs are to be launched.
        stop: By grace period in seconds, the jobs to be stopped.
        remove: Jobs whose remains can go.
        poll: Jobs to look at.
    """

    launch: list[Run] = field(default_factory=list)
    stop: dict[float, list[str]] = field(default_factory=dict)
    remove: list[str] = field(default_factory=list)
    poll: list[str] = field(default_factory=list)


class Removals:
    """Remains of ended jobs. Nothing waits for their removal, so they go many at a time."""

    def __init__(self) -> None:
        self._names: dict[str, dict[str, None]] = {}
        self._removed_at = -REMOVE_EVERY

    def add(self, target: str, names: Iterable[str]) -> None:
        """These can go."""
        self._names.setdefault(target, {}).update(dict.fromkeys(names))

    def take_due(self, now: float) -> Mapping[str, list[str]]:
        """What is to be removed now, by target. `now` is monotonic seconds."""
        count = sum(map(len, self._names.values()))
        if not count or (count < REMOVE_AT_ONCE and now - self._removed_at < REMOVE_EVERY):
            return {}
        due, self._names, self._removed_at = self._names, {}, now
        return {target: list(names) for target, names in due.items()}


def work_of(
    view: EngineView, news: News, removals: Removals, *, now: float, ticks: float
) -> dict[str, Work]:
    """What each target is to be asked now.

    Args:
        view: The committed state and the observations.
        news: The runs and targets that something happened to.
        removals: Remains that can go; those that are due are taken.
        now: Wall-clock seconds.
        ticks: Monotonic seconds: what was asked a moment ago is not asked again.
    """
    work: dict[str, Work] = {}
    for run, action in _actions(view, news, now).values():
        calls = view.jobs.in_call(run)
        if not calls or (action is Action.STOP and calls == {Verb.LAUNCH}):
            _add(view, work, removals, run, action, ticks)
    for target, names in removals.take_due(ticks).items():
        work.setdefault(target, Work()).remove.extend(names)
    for target in news.unsure:
        names_there = [name for run in view.placed.of_target(target) for name in run.job_names]
        if names_there:
            work.setdefault(target, Work()).poll.extend(names_there)
    for run in _unobserved(view, news):
        work.setdefault(run.spec.target, Work()).poll.extend(run.job_names)
    return work


def _actions(view: EngineView, news: News, now: float) -> dict[str, tuple[Run, Action]]:
    actions: dict[str, tuple[Run, Action]] = {}
    for run_id in news.runs:
        run = view.placed.get(run_id)
        if run is None or run_id in view.parked:
            continue
        observation = view.jobs.of_run(run)
        if observation is not None:
            due = reconcile(run, observation, now)
        elif run.status is Status.CANCEL_REQUESTED and Verb.LAUNCH in view.jobs.in_call(run):
            due = Action.STOP  # a cancel does not wait for the launch to return
        else:
            continue
        if isinstance(due, Action):
            actions[run_id] = (run, due)
    for run in _called_up(view, news):
        actions.setdefault(run.id, (run, Action.LAUNCH))
    return actions


def _called_up(view: EngineView, news: News) -> Iterable[Run]:
    """Prefetched runs that have room now and whose nodes do not know it: launched once more."""
    for target in news.roomier:
        waiting = prefetched_at(view, target)
        for run in view.placed.of_target(target):
            is_pending = run.status in NOT_STARTED and run.id not in view.parked
            if is_pending and run.id not in waiting:
                yield run


def prefetched_at(view: EngineView, target: str) -> dict[str, float]:
    """The prefetched runs of a target, and the CPUs that they share with what runs there."""
    facts = view.targets.get(target)
    if facts is None or facts.present is None or not facts.present.has_admission_queue:
        return {}
    cpus = {node.name: node.cpus for node in facts.present.nodes}
    ids = prefetched(view.placed.of_target(target), facts.present)
    runs = (run for run in view.placed.of_target(target) if run.id in ids)
    return {run.id: cpus.get(run.placement[0].node, 0.0) for run in runs}


def _add(
    view: EngineView,
    work: dict[str, Work],
    removals: Removals,
    run: Run,
    action: Action,
    ticks: float,
) -> None:
    names = [name for name in run.job_names if view.jobs.take_due(name, action.name, ticks)]
    mine = work.setdefault(run.spec.target, Work())
    if action is Action.LAUNCH:
        mine.launch.append(run)
    elif action is Action.STOP:
        there = [name for name in names if view.jobs.state(name) not in ENDED]
        if there:
            mine.stop.setdefault(run.spec.grace_seconds, []).extend(there)
    elif run.terminal:
        removals.add(run.spec.target, names)
    else:
        mine.remove.extend(names)


def _unobserved(view: EngineView, news: News) -> Iterable[Run]:
    """Runs that something happened to and whose jobs are not observed: they are polled at once."""
    for run_id in news.runs:
        run = view.placed.get(run_id)
        if run is None or view.jobs.in_call(run) or view.jobs.of_run(run) is not None:
            continue
        if run.status not in NOT_STARTED:
            yield run
