"""The next step of one sweep: stop trials, submit trials, end the sweep, write its log.

A step depends only on the stored sweep, its trials and their metrics. The driver submits a trial as
a child run, in one commit with the sweep's tags about it, under a key that is unique below the
sweep. A service that is killed at any line has submitted the trial or has not, and the next one
continues from there.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from dispatcher.access.permissions import SERVICE_GRANT
from dispatcher.core.errors import Conflict, DispatcherError, RunConflict, StoreUnavailable
from dispatcher.core.sweeps.sweep import Cell, advance, as_text, trial_spec
from dispatcher.engine.sweep_state import SweepState, TrialState
from dispatcher.services.status import Fence, Fenced, StatusService, require_lease
from dispatcher.services.submission import SubmissionService
from dispatcher.services.sweeps.service import SYSTEM_PREFIX, SweepService
from dispatcher.services.sweeps.trials import Trial
from dispatcher.services.tracking import Chunk, TrackingService
from dispatcher.store.contract import Store, Transaction

log = logging.getLogger(__name__)

FLUSH_SECONDS = 1.0  # between two writes to a sweep's log
MAX_TAGGED = 1_000  # v1's most trials: the tags of the sweep's run name no more than these
LOG = "log:azureml-logs/hyperdrive.txt"


@dataclass(frozen=True)
class SweepServices:
    """The services that the sweeper calls.

    Attributes:
        clock: Seconds since the epoch.
    """

    store: Store
    status: StatusService
    submission: SubmissionService
    tracking: TrackingService
    sweeps: SweepService
    clock: Callable[[], float]


class SweepDriver:
    """Does the next step of a sweep.

    Args:
        services: The services that the steps call.
        fence: The fencing token that each commit checks.
    """

    def __init__(self, services: SweepServices, fence: Fence) -> None:
        self._services = services
        self._fence = fence

    def drive(self, state: SweepState) -> bool:
        """Do what a sweep needs now; return whether the sweep is still open.

        A fault of one sweep fails that sweep and no other.

        Raises:
            Conflict: The sweep or a trial was changed since it was read.
            Fenced: Another process leads.
            StoreUnavailable: The store does not answer.
        """
        try:
            return self._step(state)
        except (Fenced, StoreUnavailable, Conflict):
            raise
        except DispatcherError as error:
            self._fail(state, "UserError", error)
        except Exception as error:
            log.exception("internal error in a sweep", extra={"run": state.run.id})
            self._fail(state, "ServiceError", error)
        return False

    def _step(self, state: SweepState) -> bool:
        if state.run.terminal:
            self._close(state)
            return False
        self._read_metrics(state)
        for trial, interval in state.trials_to_stop():
            self._stop(state, trial, interval)
        due = advance(state.sweep, state.counts(), state.deadline, self._services.clock())
        if due.cancel:
            self._log(state, "max_duration_minutes is over: the open trials are canceled")
            self._cancel_all(state)
        if due.start or due.retry:
            self._submit(state, state.cells(due.start, due.retry))
        if due.end:
            self._end(state)
            return False
        if time.monotonic() - state.flushed >= FLUSH_SECONDS:
            self._flush(state)
        return True

    def _read_metrics(self, state: SweepState) -> None:
        unread, state.unread = list(state.unread.values()), {}
        if not unread:
            return
        metrics = [metric.name for metric in state.sweep.spec.metrics]

        def work(tx: Transaction) -> None:
            for trial in unread:
                for metric in metrics:
                    position = trial.positions.get(metric, 0)
                    samples = tx.metrics.history(trial.id, metric, trial.attempt, after=position)
                    state.read(trial, samples, metric)

        self._services.store.read(work)

    def _stop(self, state: SweepState, trial: TrialState, interval: int) -> None:
        policy = state.sweep.spec.policy.name
        self._log(state, f"{trial.id} is ended by {policy} at interval {interval}")
        tag = {f"{SYSTEM_PREFIX}ended_by": f"{policy} at interval {interval}"}
        self._write(lambda tx: tx.labels.set_tags(trial.id, tag))
        self._cancel(trial.id)

    def _cancel(self, run_id: str) -> None:
        self._services.status.cancel(run_id, self._fence)

    def _cancel_all(self, state: SweepState) -> None:
        for run_id in list(state.open):
            self._cancel(run_id)

    def _write(self, work: Callable[[Transaction], None]) -> None:
        """Write in a transaction that checks the fencing token."""

        def fenced(tx: Transaction) -> None:
            require_lease(tx, self._fence)
            work(tx)

        self._services.store.write(fenced)

    def _submit(self, state: SweepState, cells: Sequence[Cell]) -> None:
        if not cells:
            return
        spec, fence = state.sweep.spec, self._fence
        trial_specs = [trial_spec(spec, cell) for cell in cells]
        tags = {
            f"{SYSTEM_PREFIX}{trial.id}": as_text(cell.values)
            for trial, cell in zip(trial_specs, cells, strict=True)
            if cell.number < MAX_TAGGED
        }

        def tag_sweep(tx: Transaction) -> None:
            require_lease(tx, fence)
            tx.labels.set_tags(spec.id, tags)

        for run in self._services.submission.submit(trial_specs, SERVICE_GRANT, tag_sweep):
            state.put(run)
            self._log(state, f"{run.id} is queued with {run.spec.properties['hyperparameters']}")

    def _end(self, state: SweepState) -> None:
        best = self._services.sweeps.ranked([state.run.id], top=1, with_metric=True)
        self._log(
            state,
            f"the sweep is over after {len(state.trials)} trials; {self._result(state, best)}",
        )
        self._flush(state)
        facts: dict[str, str | None] = {"best_metric_status": "Succeeded" if best else "NoMetric"}
        if best:
            facts |= {"score": str(best[0].best), "best_child_run_id": best[0].run.id}
        decided_on = state.sweep

        def mark_over(tx: Transaction) -> None:
            require_lease(tx, self._fence)
            stored = tx.sweeps.get([state.run.id])[state.run.id]
            if stored != decided_on:  # it was extended, or its failed trials are to be retried
                raise RunConflict(f"sweep {state.run.id} was changed while it was to end")
            tx.labels.add_properties(state.run.id, facts)
            tx.sweeps.put(replace(stored, over=True))

        self._services.status.finish(state.run.id, None, mark_over)

    def _result(self, state: SweepState, best: Sequence[Trial]) -> str:
        """The result of a sweep as its log says it."""
        if not best:
            return "no trial has logged the metric"
        if state.sweep.spec.further_metrics:
            front = self._services.sweeps.front([state.run.id])
            return f"{len(front)} trials are on the Pareto front, {best[0].run.id} is the first"
        return f"the best value is {best[0].best} of {best[0].run.id}"

    def _fail(self, state: SweepState, code: str, error: Exception) -> None:
        """End a sweep as Failed that cannot continue, for instance without its target."""
        log.warning("a sweep has failed", extra={"run": state.run.id}, exc_info=error)
        self._log(state, f"the sweep has failed: {error}")
        self._flush(state)
        text = {"error": {"code": code, "message": str(error)}}
        self._cancel_all(state)
        self._services.status.finish(state.run.id, text, self._mark_over(state.run.id))

    def _close(self, state: SweepState) -> None:
        """Mark a sweep as over whose run has ended, for instance because it was canceled."""
        self._services.store.write(self._mark_over(state.run.id))
        self._flush(state)

    def _mark_over(self, run_id: str) -> Callable[[Transaction], None]:
        """The write that marks a sweep as over, even if the sweep was changed since it was read."""

        def work(tx: Transaction) -> None:
            require_lease(tx, self._fence)
            tx.sweeps.put(replace(tx.sweeps.get([run_id])[run_id], over=True))

        return work

    def _log(self, state: SweepState, text: str) -> None:
        now = datetime.fromtimestamp(self._services.clock(), UTC)
        moment = now.isoformat(timespec="milliseconds")
        state.log_lines.append(f"[{moment}][SWEEP][INFO] {text}\n")

    def _flush(self, state: SweepState) -> None:
        """Write the pending lines to the sweep's log. A crash may lose the last ones."""
        if not state.log_lines:
            return
        state.flushed = time.monotonic()
        data, state.log_lines = "".join(state.log_lines).encode(), []
        stream = (state.run.id, 1, LOG)
        offset = self._services.store.read(lambda tx: tx.metrics.offsets([stream]))[stream]
        self._services.tracking.take([Chunk(state.run.id, 1, LOG, offset, data)], SERVICE_GRANT)
