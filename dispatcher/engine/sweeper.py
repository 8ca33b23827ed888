"""The sweeper: the loop that drives all open sweeps.

One thread runs the loop. Commits of sweeps and trials, and new metrics, wake it. Every
`LOOK_SECONDS` it reads every open sweep from the store again, so a lost notification delays a sweep
and never stalls it. The state of a sweep is in `sweep_state`, and `sweep_driver` does its steps.

The sweeper works while its engine holds the leadership lease. Each of its commits checks the
fencing token, so a sweeper that has lost the lease cannot write.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from dispatcher.core.errors import Conflict
from dispatcher.core.runs.lifecycle import Run
from dispatcher.core.sweeps.sweep import TYPE
from dispatcher.engine.leadership import supervise
from dispatcher.engine.sweep_driver import SweepDriver, SweepServices
from dispatcher.engine.sweep_state import SweepState, load
from dispatcher.services.status import Fence
from dispatcher.services.sweeps.trials import all_trials
from dispatcher.store.commits import Commit
from dispatcher.store.contract import Store, Transaction

log = logging.getLogger(__name__)

LOOK_SECONDS = 5.0


@dataclass(frozen=True)
class SweepNotification:
    """Ids of runs that have logged metrics, or of a sweep that was changed."""

    run_ids: Collection[str]


Message = Run | SweepNotification


class Sweeper:
    """Drives all open sweeps of an installation."""

    def __init__(self, store: Store) -> None:
        self._inbox: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sweeper", daemon=True)
        self._states: dict[str, SweepState] = {}
        store.subscribe(self._receive_commit)

    def start(self, services: SweepServices, fence: Callable[[], Fence | None]) -> None:
        """Start the loop.

        Args:
            services: The services that the sweeper calls.
            fence: Returns the fencing token while this process leads, else None.
        """
        self._services, self._current_fence = services, fence
        self._thread.start()

    def stop(self) -> None:
        """Stop the loop. Trials keep running; the next sweeper reads them from the store."""
        self._stopping.set()
        self._inbox.put(None)
        if self._thread.is_alive():
            self._thread.join(10)

    def notify(self, run_id: str) -> None:
        """Report that a sweep was changed. Thread-safe."""
        self._inbox.put(SweepNotification((run_id,)))

    def notify_metrics(self, run_ids: Collection[str]) -> None:
        """Report that runs have logged metrics. Thread-safe."""
        if self._states:
            self._inbox.put(SweepNotification(run_ids))

    def _receive_commit(self, commit: Commit) -> None:
        """Queue the sweeps and trials of a commit. Called by the thread that delivers commits."""
        for run in commit.runs:
            if run.spec.type == TYPE or run.spec.parent_id in self._states:
                self._inbox.put(run)

    def _run(self) -> None:
        supervise("sweeper", self._lead, self._stopping, log)

    def _lead(self) -> None:
        """Drive sweeps until the lease is lost. Nothing in memory outlives the call."""
        self._states = {}
        fence = self._current_fence()
        if fence is None:
            return
        self._driver = SweepDriver(self._services, fence)
        looked_at = -LOOK_SECONDS * 1000
        while not self._stopping.is_set() and self._current_fence() == fence:
            now = time.monotonic()
            if now - looked_at >= LOOK_SECONDS:
                self._look()
                looked_at = now
            timeout = self._timeout(looked_at + LOOK_SECONDS - time.monotonic())
            self._turn(self._receive(timeout))

    def _timeout(self, until_look: float) -> float:
        """Seconds to wait for messages: until the next look, or until the next sweep's deadline."""
        now = self._services.clock()
        due = [state.deadline - now for state in self._states.values() if state.deadline > now]
        return max(0.0, min([until_look, *due]))

    def _receive(self, timeout: float) -> list[Message]:
        """All queued messages; waits up to `timeout` seconds for the first one."""
        messages: list[Message] = []
        try:
            message = self._inbox.get(timeout=timeout) if timeout else self._inbox.get_nowait()
            while True:
                if message is not None:
                    messages.append(message)
                message = self._inbox.get_nowait()
        except queue.Empty:
            return messages

    def _look(self) -> None:
        """Read every open sweep from the store and drive it, independent of notifications."""
        sweeps = self._services.store.read(lambda tx: tx.sweeps.unfinished())
        for run_id in self._states.keys() - sweeps.keys():
            del self._states[run_id]
        for run_id, sweep in sweeps.items():
            state = self._states.get(run_id)
            if state is None:
                self._load(run_id)
                continue
            state.sweep = sweep
            self._refresh(state)
        for state in list(self._states.values()):
            if state.uses_metrics:
                state.unread.update(state.open)
            self._drive(state)

    def _refresh(self, state: SweepState) -> None:
        """Read the sweep's run and its open trials, which other processes may have changed."""
        run_ids = [state.run.id, *state.open]
        runs = self._services.store.read(lambda tx: tx.runs.get(run_ids))
        state.run = runs.pop(state.run.id)
        for run in runs.values():
            state.put(run)

    def _load(self, run_id: str) -> None:
        """Read a sweep and its trials; from then on its commits are queued."""
        self._states.pop(run_id, None)
        state = self._services.store.read(lambda tx: self._read(tx, run_id))
        if state is not None:
            self._states[run_id] = state
            # Commits between that read and this line were not queued, so trials are read again.
            for run in self._services.store.read(lambda tx: all_trials(tx, run_id)):
                state.put(run)

    def _read(self, tx: Transaction, run_id: str) -> SweepState | None:
        sweep, run = tx.sweeps.get([run_id]).get(run_id), tx.runs.get([run_id]).get(run_id)
        if sweep is None or run is None or sweep.over:
            return None
        suggester = self._services.sweeps.suggester(tx, sweep.spec)
        return load(sweep, run, suggester, all_trials(tx, run_id))

    def _turn(self, messages: Sequence[Message]) -> None:
        """Apply the messages, then drive each sweep that they concern, once."""
        concerned: dict[str, None] = {}
        for message in messages:
            if isinstance(message, SweepNotification):
                concerned.update(dict.fromkeys(self._concerned_by(message)))
            elif message.spec.type == TYPE:
                concerned[message.id] = None
                if message.id in self._states:
                    self._states[message.id].run = message
                elif not message.terminal:
                    self._load(message.id)
            else:
                state = self._states.get(message.spec.parent_id or "")
                if state is not None and state.put(message):
                    concerned[state.run.id] = None
        for run_id in concerned:
            if run_id in self._states:
                self._drive(self._states[run_id])

    def _concerned_by(self, notification: SweepNotification) -> list[str]:
        """Ids of the sweeps that a notification concerns."""
        sweep_ids = []
        for run_id in notification.run_ids:
            if run_id in self._states:  # the sweep itself was changed
                sweep = self._services.store.read(lambda tx, key=run_id: tx.sweeps.get([key]))  # type: ignore[misc]
                self._states[run_id].sweep = sweep[run_id]
                sweep_ids.append(run_id)
                continue
            state = self._states.get(run_id.rpartition("_")[0])
            if state is not None and state.mark_unread(run_id):
                sweep_ids.append(state.run.id)
        return sweep_ids

    def _drive(self, state: SweepState) -> None:
        try:
            is_open = self._driver.drive(state)
        except Conflict:
            log.info("a sweep was changed concurrently, reloading", extra={"run": state.run.id})
            self._load(state.run.id)
            return
        if not is_open:
            self._states.pop(state.run.id, None)
