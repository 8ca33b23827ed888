"""What the world still owes a run: the next action, or the event to record, or nothing.

It looks at what is, not at what happened, so it is safe to ask again after a crash, and there is no
recovery code: a service that was killed at any line asks once more and goes on. Record against the
version that was read: a run that moved meanwhile is asked about again.
"""

from collections.abc import Iterator
from enum import Enum, auto

from dispatcher.core.runs.jobs import Evidence, Observation, State
from dispatcher.core.runs.lifecycle import (
    Canceled,
    Completed,
    ContactLost,
    ContactRegained,
    Event,
    Exited,
    Failed,
    PrepareStarted,
    Released,
    Retried,
    Run,
    Started,
    Status,
    step,
)
from dispatcher.core.runs.verdicts import LOST, error_of, judge, may_retry


class Action(Enum):
    """What to ask of the target."""

    LAUNCH = auto()
    STOP = auto()
    REMOVE = auto()


GONE = (State.ABSENT, State.REMOVED)
NOT_STARTED = (Status.PROVISIONING, Status.PREPARING)


def reconcile(run: Run, seen: Observation, now: float) -> Action | Event | None:
    """Say the next step for one run, given what is seen of its job; None if there is none."""
    if seen.state is State.UNKNOWN:
        return _silent(run, now)
    if run.terminal:
        return _clean_up(run, seen)
    if run.status is Status.CANCEL_REQUESTED:
        return _cancel(run, seen, now)
    if run.status is Status.FINALIZING and run.evidence is not None:
        return _finish(run, run.evidence, seen, now)
    if run.status in NOT_STARTED and seen.state in (State.ABSENT, State.CREATED):
        is_news = seen.preparing and run.status is Status.PROVISIONING
        return PrepareStarted() if is_news else Action.LAUNCH
    if seen.state in (State.ALIVE, State.EXITED) and _started(run, seen):
        return Started(seen.started_at or now)
    if run.not_responding_since is not None:
        return ContactRegained()
    if seen.state is State.ALIVE:
        return Action.STOP if seen.evidence else None  # the rest of a gang that has lost a member
    if seen.state is State.CREATED:
        return None
    return Exited(seen.evidence or Evidence(reason=LOST, ended_at=now))


def settle(run: Run, seen: Observation, now: float) -> tuple[Run, list[Event], Action | None]:
    """Ask until nothing more is to be recorded; the run as it is then, its events and the last
    action.
    """
    events: list[Event] = []
    for _ in range(8):  # Started, Exited, Completed, Released: no run owes more at once
        due = reconcile(run, seen, now)
        if due is None or isinstance(due, Action):
            return run, events, due
        run = step(run, due)
        events.append(due)
        if not run.owed:
            break
    return run, events, None


def _started(run: Run, seen: Observation) -> bool:
    return run.status in NOT_STARTED and (seen.state is State.ALIVE or seen.started_at is not None)


def _silent(run: Run, now: float) -> Event | None:
    """Losing contact is not death: it is noted, and nothing is killed or started because of it."""
    live = run.status in (*NOT_STARTED, Status.RUNNING, Status.CANCEL_REQUESTED)
    return ContactLost(now) if live and run.not_responding_since is None else None


def _clean_up(run: Run, seen: Observation) -> Action | Event | None:
    if seen.state is State.ALIVE or (seen.state is State.ABSENT and run.evidence is None):
        return Action.STOP  # one that is absent may still be on its way: it is withdrawn
    if seen.state in (State.EXITED, State.CREATED):
        return Action.REMOVE
    return Released()


def _cancel(run: Run, seen: Observation, now: float) -> Action | Event | None:
    if seen.state is State.ALIVE and run.started_at is None:
        return Started(seen.started_at or now)
    if seen.state in (State.ALIVE, State.CREATED, State.ABSENT):
        return Action.STOP  # one that is absent may still be on its way: it is withdrawn
    if seen.state is State.EXITED and run.evidence is None and seen.evidence is not None:
        return Exited(seen.evidence)
    return Canceled(now)


def _finish(run: Run, evidence: Evidence, seen: Observation, now: float) -> Action | Event | None:
    verdict = judge(evidence)
    ended = evidence.ended_at or now
    if verdict.cls == "ok":
        return Completed(ended)
    if not may_retry(verdict, run.retries, run.spec.max_retries):
        return Failed(ended, run.error or evidence.said or error_of(verdict, evidence))
    if seen.state not in GONE:
        return Action.REMOVE if seen.state is not State.ALIVE else Action.STOP
    spent = {**run.retries, verdict.cls: run.retries.get(verdict.cls, 0) + 1}
    return Retried(run.attempt + 1, spent)


def consequences(
    failed: Run, parent: Run | None, siblings: Iterator[Run]
) -> Iterator[tuple[Run, str]]:
    """What a child's failure means for its family, by the parent's declared policy.

    Yields (run, what) pairs: `("fail")` for the parent, `("cancel")` for siblings that have not
    ended. Under "ignore", v1's behaviour, nothing follows.
    """
    if parent is None or parent.terminal:
        return
    if parent.child_policy == "fail_parent":
        yield parent, "fail"
    elif parent.child_policy == "cancel_siblings":
        for sibling in siblings:
            if sibling.id != failed.id and not sibling.terminal:
                yield sibling, "cancel"
