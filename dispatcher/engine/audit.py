"""The audit: page by page, the view is compared with the store.

The view follows the event log, so an audit finds nothing new unless something was missed or the
database was put back to an earlier state. A page a look keeps the cost flat: with a hundred
thousand owed runs a look costs the same as with a thousand.
"""

import logging

from dispatcher.core.runs.lifecycle import Run
from dispatcher.engine.queue_window import SIZE
from dispatcher.engine.view import EngineView
from dispatcher.store.contract import Store, Transaction
from dispatcher.store.runs.codec import state_of
from dispatcher.store.runs.contract import StoredState

log = logging.getLogger(__name__)
PAGE = 1_000  # rows of owed runs compared at a look
FULL_EVERY = 16  # looks between two readings of a queue's head that is as it is known
LIST_TARGETS_EVERY = 15  # looks between two listings of the targets that have queued runs
UNREADABLE = -1  # the version of a parked run whose row cannot be read


class Audit:
    """Reads the store for the view."""

    def __init__(self, store: Store, view: EngineView) -> None:
        self._store, self._view = store, view
        self._position = 0  # submission number
        self._looks = 0
        self._next_window = 0

    def load(self) -> None:
        """Read everything, at the start of a leadership."""
        self._position = self._looks = 0
        while self._audit_owed():
            pass
        for target in self._store.read(lambda tx: tx.runs.queued_targets()):
            self.fill_window(target)

    def look(self) -> None:
        """Compare the next page of owed runs and the head of the next queue."""
        self._looks += 1
        self._audit_owed()
        known = sorted(self._view.windows)
        if known:
            self._next_window = (self._next_window + 1) % len(known)
            self._audit_window(known[self._next_window], thoroughly=self._looks % FULL_EVERY == 0)
        if self._looks % LIST_TARGETS_EVERY == 0:
            queued = self._store.read(lambda tx: tx.runs.queued_targets())
            for target in queued - self._view.windows.keys():
                self.fill_window(target)

    def _audit_window(self, target: str, *, thoroughly: bool) -> None:
        """Read the head of a queue if it is not as it is known, or in any case."""
        ids = self._store.read(lambda tx: tx.runs.queue_ids(target, SIZE))
        if thoroughly or ids != self._view.windows[target].ids(SIZE):
            self.fill_window(target)

    def fill_window(self, target: str) -> None:
        """Read the head of a target's queue."""
        runs = self._store.read(lambda tx: self._queue(tx, target))
        self._view.fill_window(target, runs[0], complete=runs[1])

    def _queue(self, tx: Transaction, target: str) -> tuple[list[Run], bool]:
        runs = tx.runs.queue(target, SIZE)
        self._park_unreadable(tx)
        return runs, len(runs) + len(tx.runs.unreadable) < SIZE

    def _audit_owed(self) -> bool:
        """Audit one page; whether there are more."""

        def read(tx: Transaction) -> tuple[list[StoredState], list[Run]]:
            states = tx.runs.owed_states(after=self._position, limit=PAGE)
            changed = [state.id for state in states if not self._is_known(state)]
            runs = list(tx.runs.get(changed).values()) if changed else []
            self._park_unreadable(tx)
            return states, runs

        states, runs = self._store.read(read)
        until = states[-1].seq if len(states) == PAGE else None
        self._view.audited({state.id for state in states}, runs, self._position, until)
        self._position = until or 0
        return until is not None

    def _is_known(self, stored: StoredState) -> bool:
        known = self._view.placed.get(stored.id)
        if known is None:
            return stored.id in self._view.parked
        return known.version == stored.version and state_of(known) == stored.state

    def _park_unreadable(self, tx: Transaction) -> None:
        for run_id, reason in tx.runs.unreadable.items():
            self._view.park(run_id, UNREADABLE, f"its stored row cannot be read: {reason}")
