"""Every change of a run is recorded here, run and events in one commit.

What a change means for parent and children (a failed child under "fail_parent", a canceled parent)
is recorded in the same commit, so no crash can come between. Terminal states are write-once: later
events change nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dispatcher.core.errors import RunNotFound
from dispatcher.core.reconciliation import NOT_STARTED, consequences
from dispatcher.core.runs.lifecycle import (
    Canceled,
    CancelRequested,
    Completed,
    ErrorNoted,
    Event,
    Failed,
    IllegalTransition,
    Run,
    Started,
    Status,
    step,
)
from dispatcher.store.contract import Store, Transaction
from dispatcher.store.runs.contract import Change

Clock = Callable[[], float]


@dataclass(frozen=True)
class Fence:
    """The lease under which an engine writes; once it is taken over, writes are refused."""

    name: str
    token: int


class Fenced(Exception):
    """Another engine has taken over; this one must stop writing."""


Also = Callable[[Transaction], None]  # further changes of the same commit


def require_lease(tx: Transaction, fence: Fence | None) -> None:
    """Raise Fenced if another engine has taken over the lease."""
    if fence is not None and tx.leases.fenced(fence.name, fence.token):
        raise Fenced(f"lease {fence.name} was taken over")


class StatusService:
    """Reads and records runs."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def get(self, run_id: str) -> Run:
        """Raises RunNotFound."""
        return _require_run(self._store.read(lambda tx: tx.runs.get([run_id])), run_id)

    def get_many(self, ids: Sequence[str]) -> dict[str, Run]:
        return self._store.read(lambda tx: tx.runs.get(ids))

    def record(self, run_id: str, event: Event, also: Also | None = None) -> Run:
        """Record one event. On a run that has ended it changes nothing.

        Args:
            run_id: The run.
            event: What has happened to it.
            also: Done in the same commit, once the run is locked and known not to have ended.

        Raises:
            IllegalTransition: The event cannot happen now.
            RunNotFound: There is no run of that id.
        """

        def work(tx: Transaction) -> Run:
            run = _require_run(tx.runs.get([run_id], lock=True), run_id)
            if run.terminal:
                return run
            if also is not None:
                also(tx)
            return _apply(tx, run, (event,), self._clock())

        return self._store.write(work)

    def record_all(self, moves: Sequence[Change], fence: Fence | None = None) -> set[str]:
        """RunDocument many moves in one commit; answers the runs that had moved meanwhile."""

        def work(tx: Transaction) -> set[str]:
            require_lease(tx, fence)
            lost = tx.runs.save(moves)
            for move in moves:
                if move.after.id not in lost and _has_failed(move.before, move.after):
                    _apply_child_policy(tx, move.after, self._clock())
            return lost

        return self._store.write(work)

    def cancel(self, run_id: str, fence: Fence | None = None) -> Run:
        """Ask for the run and all below it to be canceled, in one commit: after it none of them
        starts.
        """

        def work(tx: Transaction) -> Run:
            require_lease(tx, fence)
            run = _require_run(tx.runs.get([run_id], lock=True), run_id)
            now = self._clock()
            below = [r.id for r in tx.runs.open_below(run_id)]
            for other in tx.runs.get(below, lock=True).values():
                _cancel(tx, other, now)
            return _cancel(tx, run, now)

        return self._store.write(work)

    def unstarted(self, run_id: str) -> list[str]:
        """Canceled runs, of this one and all below it, that are placed and may still start.

        They may start until their target has withdrawn them.
        """

        def work(tx: Transaction) -> list[str]:
            runs = [*tx.runs.get([run_id]).values(), *tx.runs.open_below(run_id)]
            asked = (run for run in runs if run.status is Status.CANCEL_REQUESTED)
            return [run.id for run in asked if run.started_at is None]

        return self._store.read(work)

    def note_started(self, run_id: str) -> Run:
        """Record the start of a run that calls the service, if its node has not reported it yet."""

        def work(tx: Transaction) -> Run:
            run = _require_run(tx.runs.get([run_id], lock=True), run_id)
            now = self._clock()
            return _apply(tx, run, (Started(now),), now) if run.status in NOT_STARTED else run

        return self._store.write(work)

    def finish(self, run_id: str, error: Mapping[str, Any] | None, also: Also | None = None) -> Run:
        """The driver of a run says that it has completed (no error) or failed."""
        now = self._clock()
        return self.record(run_id, Completed(now) if error is None else Failed(now, error), also)

    def note_error(self, run_id: str, error: Mapping[str, Any]) -> Run:
        """Keep what a script says of its failure; its status follows its exit code."""
        return self.record(run_id, ErrorNoted(error))


def _apply(tx: Transaction, run: Run, events: tuple[Event, ...], now: float) -> Run:
    after = run
    for event in events:
        after = step(after, event)
    if tx.runs.save([Change(run, after, events, now)]):
        raise IllegalTransition(run, events[0])  # it moved although it was locked: ask again
    if _has_failed(run, after):
        _apply_child_policy(tx, after, now)
    return after


def _has_failed(before: Run, after: Run) -> bool:
    return after.status is Status.FAILED and not before.terminal


def _apply_child_policy(tx: Transaction, failed: Run, now: float) -> None:
    """Record what a failure means for the parent and the siblings, by the parent's policy."""
    parent_id = failed.spec.parent_id
    if parent_id is None:
        return
    parent = tx.runs.get([parent_id], lock=True).get(parent_id)
    if parent is None or parent.child_policy == "ignore":
        return
    siblings = (r for r in tx.runs.open_below(parent_id) if r.spec.parent_id == parent_id)
    for run, what in consequences(failed, parent, siblings):
        if what == "cancel":
            _cancel(tx, run, now)
        else:
            text = f"Child run {failed.id} failed, and this run's child policy is fail_parent."
            _apply(
                tx, run, (Failed(now, {"error": {"code": "ChildFailed", "message": text}}),), now
            )


def _cancel(tx: Transaction, run: Run, now: float) -> Run:
    if run.terminal or run.status is Status.CANCEL_REQUESTED:
        return run
    event: Event = Canceled(now) if run.status is Status.QUEUED else CancelRequested(now)
    return _apply(tx, run, (event,), now)


def _require_run(found: Mapping[str, Run], run_id: str) -> Run:
    run = found.get(run_id)
    if run is None:
        raise RunNotFound(run_id)
    return run
