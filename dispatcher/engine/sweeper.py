"""The driver of sweeps: one thread that looks at each open sweep and does what it needs next.

Like the engine it looks at what is: the sweep as it is kept, its trials as they are, what they have
logged. A trial is submitted as an ordinary child run, in one commit with what the sweep's tags say
of it, under a key that its parent can have once; so a service killed at any line has made it or has
not, and the next one goes on with the rest. Commits of trials and new metrics wake it; every `LOOK`
seconds it looks at everything, whatever was heard or not.

It drives while its engine holds the lease, and each of its commits is refused once another has
taken over.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from dispatcher.access.permissions import SERVICE_GRANT
from dispatcher.core.errors import Conflict, DispatcherError, RunConflict, StoreUnavailable
from dispatcher.core.runs.lifecycle import Run
from dispatcher.core.sweeps.sweep import TYPE, Cell, advance, as_text, trial_spec
from dispatcher.engine.leadership import supervise
from dispatcher.engine.sweep_state import SweepState, TrialState, load
from dispatcher.services.status import Fence, Fenced, StatusService, require_lease
from dispatcher.services.submission import SubmissionService
from dispatcher.services.sweeps.service import SYSTEM_PREFIX, SweepService
from dispatcher.services.sweeps.trials import Trial, all_trials
from dispatcher.services.tracking import Chunk, TrackingService
from dispatcher.store.commits import Commit
from dispatcher.store.contract import Store, Transaction

log = logging.getLogger(__name__)

LOOK = 5.0
FLUSH = 1.0  # seconds between two writes to a sweep's log
TAGGED = 1_000  # v1's most trials: so many are named in the tags of the sweep's run
LOG = "log:azureml-logs/hyperdrive.txt"


@dataclass(frozen=True)
class SweepNews:
    """Runs that have logged something, or a sweep that was changed."""

    ids: Collection[str]


@dataclass(frozen=True)
class Parts:
    """What the sweeper works with."""

    store: Store
    status: StatusService
    submission: SubmissionService
    tracking: TrackingService
    sweeps: SweepService
    clock: Callable[[], float]


class Sweeper:
    """Drives all open sweeps of an installation."""

    def __init__(self, store: Store) -> None:
        self._inbox: queue.SimpleQueue[Run | SweepNews | None] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sweeper", daemon=True)
        self._states: dict[str, SweepState] = {}
        self._fence: Fence | None = None
        store.subscribe(self._committed)

    def start(self, parts: Parts, fence: Callable[[], Fence | None]) -> None:
        """Drive, while `fence` says that this process leads."""
        self._parts, self._ask_fence = parts, fence
        self._thread.start()

    def stop(self) -> None:
        """End the loop. Trials go on; the next sweeper finds them."""
        self._stopping.set()
        self._inbox.put(None)
        if self._thread.is_alive():
            self._thread.join(10)

    def notify(self, run_id: str) -> None:
        """A sweep was changed; any thread."""
        self._inbox.put(SweepNews((run_id,)))

    def heard(self, ids: Collection[str]) -> None:
        """Runs have logged something; any thread."""
        if self._states:
            self._inbox.put(SweepNews(ids))

    def _committed(self, commit: Commit) -> None:
        """Called by the thread that delivers the commit."""
        for run in commit.runs:
            if run.spec.type == TYPE or run.spec.parent_id in self._states:
                self._inbox.put(run)

    def _run(self) -> None:
        supervise("sweeper", self._lead, self._stopping, log)

    def _lead(self) -> None:
        """Drive until the lease is lost; everything in memory is made anew."""
        self._states = {}
        self._fence = self._ask_fence()
        if self._fence is None:
            return
        looked = -LOOK * 1000
        while not self._stopping.is_set() and self._ask_fence() == self._fence:
            now = time.monotonic()
            if now - looked >= LOOK:
                self._look()
                looked = now
            self._turn(self._gather(self._patience(looked + LOOK - time.monotonic())))

    def _patience(self, seconds: float) -> float:
        """How long to wait for news: until the next look, or until a sweep's time is over."""
        now = self._parts.clock()
        due = [state.deadline - now for state in self._states.values() if state.deadline > now]
        return max(0.0, min([seconds, *due]))

    def _gather(self, seconds: float) -> list[Run | SweepNews]:
        items: list[Run | SweepNews] = []
        try:
            item = self._inbox.get(timeout=seconds) if seconds else self._inbox.get_nowait()
            while True:
                if item is not None:
                    items.append(item)
                item = self._inbox.get_nowait()
        except queue.Empty:
            return items

    def _look(self) -> None:
        """Look at every open sweep, whatever was or was not heard."""
        sweeps = self._parts.store.read(lambda tx: tx.sweeps.unfinished())
        for gone in self._states.keys() - sweeps.keys():
            del self._states[gone]
        for run_id, sweep in sweeps.items():
            state = self._states.get(run_id)
            if state is None:
                self._load(run_id)
                continue
            state.sweep = sweep
            self._follow(state)
        for state in list(self._states.values()):
            if state.watches:
                state.unread.update(state.open)
            self._drive(state)

    def _follow(self, state: SweepState) -> None:
        """What other processes have committed of the trials, and of the sweep itself."""
        ids = [state.run.id, *state.open]
        runs = self._parts.store.read(lambda tx: tx.runs.get(ids))
        state.run = runs.pop(state.run.id)
        for run in runs.values():
            state.put(run)

    def _load(self, run_id: str) -> None:
        """Read a sweep and its trials, from the moment on that its commits are followed."""
        self._states.pop(run_id, None)
        state = self._parts.store.read(lambda tx: self._read(tx, run_id))
        if state is not None:
            self._states[run_id] = state
            # Commits between that read and now went by unheard: nobody followed this sweep yet.
            for run in self._parts.store.read(lambda tx: all_trials(tx, run_id)):
                state.put(run)

    def _read(self, tx: Transaction, run_id: str) -> SweepState | None:
        sweep, run = tx.sweeps.get([run_id]).get(run_id), tx.runs.get([run_id]).get(run_id)
        if sweep is None or run is None or sweep.over:
            return None
        suggester = self._parts.sweeps.suggester(tx, sweep.spec)
        return load(sweep, run, suggester, all_trials(tx, run_id))

    def _turn(self, items: Sequence[Run | SweepNews]) -> None:
        concerned: dict[str, None] = {}
        for item in items:
            if isinstance(item, SweepNews):
                concerned.update(dict.fromkeys(self._concerned_by(item)))
            elif item.spec.type == TYPE:
                concerned[item.id] = None
                if item.id in self._states:
                    self._states[item.id].run = item
                elif not item.terminal:
                    self._load(item.id)
            else:
                state = self._states.get(item.spec.parent_id or "")
                if state is not None and state.put(item):
                    concerned[state.run.id] = None
        for run_id in concerned:
            if run_id in self._states:
                self._drive(self._states[run_id])

    def _concerned_by(self, heard: SweepNews) -> list[str]:
        found = []
        for run_id in heard.ids:
            if run_id in self._states:  # the sweep itself was changed
                sweep = self._parts.store.read(lambda tx, key=run_id: tx.sweeps.get([key]))  # type: ignore[misc]
                self._states[run_id].sweep = sweep[run_id]
                found.append(run_id)
                continue
            state = self._states.get(run_id.rpartition("_")[0])
            if state is not None and state.heard(run_id):
                found.append(state.run.id)
        return found

    def _drive(self, state: SweepState) -> None:
        """Do what a sweep needs now. Its faults are its own: they end it, and no other."""
        try:
            self._step(state)
        except (Fenced, StoreUnavailable):
            raise
        except Conflict:  # someone else has moved: look again
            log.info("a sweep has moved meanwhile", extra={"run": state.run.id})
            self._load(state.run.id)
        except DispatcherError as error:
            self._fail(state, "UserError", error)
        except Exception as error:
            log.exception("a sweep meets a fault of ours", extra={"run": state.run.id})
            self._fail(state, "ServiceError", error)

    def _step(self, state: SweepState) -> None:
        if state.run.terminal:
            self._close(state)
            return
        self._read_metrics(state)
        for trial, interval in state.judge():
            self._stop(state, trial, interval)
        due = advance(state.sweep, state.counts(), state.deadline, self._parts.clock())
        if due.cancel:
            self._say(state, "max_duration_minutes is over: the trials that run are canceled")
            for run_id in list(state.open):
                self._cancel(run_id)
        if due.start or due.retry:
            self._submit(state, state.cells(due.start, due.retry))
        if due.end:
            self._end(state)
        elif time.monotonic() - state.flushed >= FLUSH:
            self._flush(state)

    def _read_metrics(self, state: SweepState) -> None:
        unread, state.unread = list(state.unread.values()), {}
        if not unread:
            return
        metrics = [metric.name for metric in state.sweep.spec.metrics]

        def work(tx: Transaction) -> None:
            for trial in unread:
                for metric in metrics:
                    place = trial.places.get(metric, 0)
                    samples = tx.metrics.history(trial.id, metric, trial.attempt, after=place)
                    state.read(trial, samples, metric)

        self._parts.store.read(work)

    def _stop(self, state: SweepState, trial: TrialState, interval: int) -> None:
        policy = state.sweep.spec.policy.name
        self._say(state, f"{trial.id} is ended by {policy} at interval {interval}")
        tag = {f"{SYSTEM_PREFIX}ended_by": f"{policy} at interval {interval}"}
        self._write(lambda tx: tx.labels.set_tags(trial.id, tag))
        self._cancel(trial.id)

    def _cancel(self, run_id: str) -> None:
        self._parts.status.cancel(run_id, self._fence)

    def _write(self, work: Callable[[Transaction], None]) -> None:
        """Write, unless another process has taken over."""

        def fenced(tx: Transaction) -> None:
            require_lease(tx, self._fence)
            work(tx)

        self._parts.store.write(fenced)

    def _submit(self, state: SweepState, cells: Sequence[Cell]) -> None:
        if not cells:
            return
        spec, fence = state.sweep.spec, self._fence
        specs = [trial_spec(spec, cell) for cell in cells]
        tags = {
            f"{SYSTEM_PREFIX}{run.id}": as_text(cell.values)
            for run, cell in zip(specs, cells, strict=True)
            if cell.number < TAGGED
        }

        def first(tx: Transaction) -> None:
            require_lease(tx, fence)
            tx.labels.set_tags(spec.id, tags)

        for run in self._parts.submission.submit(specs, SERVICE_GRANT, first):
            state.put(run)
            self._say(state, f"{run.id} is queued with {run.spec.properties['hyperparameters']}")

    def _end(self, state: SweepState) -> None:
        best = self._parts.sweeps.ranked([state.run.id], top=1, with_metric=True)
        words = _words(best)
        if best and state.sweep.spec.further_metrics:
            front = self._parts.sweeps.front([state.run.id])
            words = f"{len(front)} are on the front, {best[0].run.id} the first of them"
        self._say(state, f"the sweep is over after {len(state.trials)} trials; {words}")
        self._flush(state)
        facts: dict[str, str | None] = {"best_metric_status": "Succeeded" if best else "NoMetric"}
        if best:
            facts |= {"score": str(best[0].best), "best_child_run_id": best[0].run.id}
        decided_on = state.sweep

        def also(tx: Transaction) -> None:
            require_lease(tx, self._fence)
            stored = tx.sweeps.get([state.run.id])[state.run.id]
            if stored != decided_on:  # it was extended, or its failed trials are to be retried
                raise RunConflict(f"sweep {state.run.id} was changed while it was to end")
            tx.labels.add_properties(state.run.id, facts)
            tx.sweeps.put(replace(stored, over=True))

        self._parts.status.finish(state.run.id, None, also)
        self._forget(state)

    def _fail(self, state: SweepState, code: str, error: Exception) -> None:
        """The sweep cannot go on, as when its target was detached: it ends and says why."""
        log.warning("a sweep has failed", extra={"run": state.run.id}, exc_info=error)
        self._say(state, f"the sweep has failed: {error}")
        self._flush(state)
        text = {"error": {"code": code, "message": str(error)}}
        for run_id in list(state.open):
            self._cancel(run_id)
        self._parts.status.finish(state.run.id, text, self._put_over(state.run.id))
        self._forget(state)

    def _close(self, state: SweepState) -> None:
        """It is over; a sweep that was canceled, too, whose trials the cancel has reached."""
        self._parts.store.write(self._put_over(state.run.id))
        self._forget(state)

    def _put_over(self, run_id: str) -> Callable[[Transaction], None]:
        """What marks a sweep as over, whatever was changed of it last."""

        def work(tx: Transaction) -> None:
            require_lease(tx, self._fence)
            tx.sweeps.put(replace(tx.sweeps.get([run_id])[run_id], over=True))

        return work

    def _forget(self, state: SweepState) -> None:
        self._flush(state)
        self._states.pop(state.run.id, None)

    def _say(self, state: SweepState, text: str) -> None:
        moment = datetime.fromtimestamp(self._parts.clock(), UTC).isoformat(timespec="milliseconds")
        state.lines.append(f"[{moment}][SWEEP][INFO] {text}\n")

    def _flush(self, state: SweepState) -> None:
        """Write the lines to the sweep's log. A crash may take the last ones with it."""
        if not state.lines:
            return
        state.flushed = time.monotonic()
        data, state.lines = "".join(state.lines).encode(), []
        held = self._parts.store.read(lambda tx: tx.metrics.offsets([(state.run.id, 1, LOG)]))
        offset = held[(state.run.id, 1, LOG)]
        self._parts.tracking.take([Chunk(state.run.id, 1, LOG, offset, data)], SERVICE_GRANT)


def _words(best: Sequence[Trial]) -> str:
    return (
        f"the best is {best[0].best} of {best[0].run.id}" if best else "none has logged the metric"
    )
