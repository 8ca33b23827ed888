"""The engine: drives all runs of an installation while it holds the lease.

A turn passes each stage once:

    messages = inbox.gather()             what has come in
    view.receive(messages)                what is stored and what was observed
    decision = decide(view, news, now)    pure: settle and plan
    recorded = record(decision)           one commit: accepted, stale or refused, run by run
    view.recorded(...)
    dispatch(work_of(view, news))         to the workers

So an intent is durable before it is acted on, and a kill between the two is mended by the next
look. One run that cannot be settled, recorded or read is parked with its reason; the others go on.

Messages only make it faster. Every `LOOK` seconds it compares a page of the store with its view and
polls the jobs that were polled longest ago. A run without an observation is left alone until there
is one.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from dispatcher.core.runs.lifecycle import Run
from dispatcher.engine.actions import Removals, work_of
from dispatcher.engine.audit import Audit
from dispatcher.engine.decide import decide
from dispatcher.engine.dispatch import dispatch
from dispatcher.engine.inbox import Inbox
from dispatcher.engine.leadership import LEASE_SECONDS, Leadership, supervise
from dispatcher.engine.messages import Message, RunsCommitted
from dispatcher.engine.moves import Decision, Recorded
from dispatcher.engine.record import record
from dispatcher.engine.view import EngineView, News
from dispatcher.engine.workers.live_targets import LiveTargets
from dispatcher.engine.workers.mailbox import POLL_AT_ONCE
from dispatcher.services.status import Fence, StatusService
from dispatcher.store.commits import Commit
from dispatcher.store.contract import Store, Transaction
from dispatcher.store.leases.contract import Holder
from dispatcher.wire.jobs import Job

log = logging.getLogger(__name__)

LOOK = 2.0
FEW = 2  # runs that are served without delay, however close together their messages come
ROUNDS = 10  # of decisions in one turn, each after the commit of the one before


class Engine:
    """Drives all runs of an installation while it holds the lease.

    Args:
        store: Where runs are kept.
        status: Through which their changes are recorded.
        jobs_for: The jobs of a placed run.
        holder: Under which name it takes the lease.
        clock: Wall-clock seconds since the epoch, for the times of events.
        why_not: Why this engine must not lead; empty when it may.
        ticks: Monotonic seconds, for pacing.
    """

    def __init__(
        self,
        store: Store,
        status: StatusService,
        jobs_for: Callable[[Run], list[Job]],
        holder: Holder,
        clock: Callable[[], float],
        why_not: Callable[[Transaction], str] = lambda _tx: "",
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._status, self._jobs_for = store, status, jobs_for
        self._clock, self._ticks = clock, ticks
        self._leadership = Leadership(store, holder, clock, ticks, why_not)
        self._inbox = Inbox()
        self._view = EngineView()
        self._audit = Audit(store, self._view)
        self._removals = Removals()
        self._own: Mapping[str, int] = {}  # what it is committing itself: run id -> version
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        store.subscribe(self._committed)

    @property
    def fence(self) -> Fence | None:
        """The lease under which it leads; None while it does not."""
        return self._leadership.fence

    @property
    def parked(self) -> dict[str, str]:
        """Runs that are left alone, and why."""
        return {run_id: reason for run_id, (_, reason) in list(self._view.parked.items())}

    def post(self, message: Message) -> None:
        """Hand over a message; any thread."""
        self._inbox.post(message)

    def start(self, targets: LiveTargets) -> None:
        """Begin to lead, once the lease can be had."""
        self._targets = targets
        self._thread.start()

    def stop(self) -> None:
        """End the loop. What is running goes on; the next engine finds it."""
        self._stopping.set()
        self._inbox.wake()
        if self._thread.is_alive():
            self._thread.join(10)

    def _committed(self, commit: Commit) -> None:
        """Take the runs of others' commits; its own it knows already."""
        others = [run for run in commit.runs if self._own.get(run.id) != run.version]
        if others:
            self._inbox.post(RunsCommitted(others))

    def _run(self) -> None:
        supervise("engine", self._lead, self._stopping, log)

    def _lead(self) -> None:
        """Take the lease and drive until it is lost; the view is built anew."""
        if not self._leadership.renew():
            return
        self._view.clear()
        self._audit.load()
        looked = renewed = -LOOK * 1000
        while not self._stopping.is_set():
            now = self._ticks()
            if now - renewed >= LEASE_SECONDS / 4:
                if not self._leadership.renew():
                    return
                renewed = now
            if now - looked >= LOOK:
                self._look()
                looked = now
            self._turn(self._gather(max(0.0, looked + LOOK - self._ticks())))

    def _gather(self, seconds: float) -> list[Message]:
        return self._inbox.gather(
            seconds,
            is_busy=lambda: self._view.placed.has_more_than(FEW),
            spans=lambda: self._view.prefetching.spans,
        )

    def _look(self) -> None:
        """Ask the store and the targets, whatever was or was not heard."""
        self._targets.refresh()
        self._view.set_targets(self._targets.facts())
        self._audit.look()
        for target in self._view.jobs.targets():
            worker = self._targets.worker(target)
            if worker is not None:
                worker.poll(self._view.jobs.next_to_poll(target, POLL_AT_ONCE))

    def _turn(self, messages: Sequence[Message]) -> None:
        view, now = self._view, self._clock()
        view.receive(messages, now)
        view.set_targets(self._targets.facts())
        acted = News()
        for _ in range(ROUNDS):
            news = view.take_news()
            for target in view.low_windows(news.targets):
                self._audit.fill_window(target)
            _join(acted, news)
            decision = decide(view, news, now)
            recorded = self._record(decision, now)
            self._follow(decision, recorded, news, acted)
            if not recorded.accepted and not recorded.stale:
                break
        work = work_of(view, acted, self._removals, now=now, ticks=self._ticks())
        dispatch(view, work, self._targets, self._jobs_for, now)

    def _record(self, decision: Decision, now: float) -> Recorded:
        self._own = {move.after.id: move.after.version for move in decision.moves}
        return record(self._status, decision.moves, self.fence, now)

    def _follow(self, decision: Decision, recorded: Recorded, news: News, acted: News) -> None:
        """Bring the view to what was recorded; what had moved meanwhile is read again."""
        view = self._view
        for move in recorded.accepted:
            view.recorded(move)
            acted.runs[move.after.id] = None
        spans = view.prefetching.spans
        for target in news.targets | {move.after.spec.target for move in decision.moves}:
            spans.pop(target, None)
        spans.update(decision.spans)
        for run_id, reason in {**decision.faults, **recorded.refused}.items():
            self._park(run_id, reason)
        for move in recorded.stale:
            view.forget(move.before)
        if recorded.stale:
            ids = [move.before.id for move in recorded.stale]
            for run in self._status.get_many(ids).values():
                view.committed(run)

    def _park(self, run_id: str, reason: str) -> None:
        run = self._view.placed.get(run_id) or next(
            (run for w in self._view.windows.values() if (run := w.get(run_id))), None
        )
        self._view.park(run_id, 0 if run is None else run.version, reason)


def _join(acted: News, news: News) -> None:
    acted.runs.update(news.runs)
    acted.unsure |= news.unsure
    acted.roomier |= news.roomier
