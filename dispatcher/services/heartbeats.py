"""Interactive runs whose process is gone.

A run that a client drives has no job that could be observed. So its process sends heartbeats. A run
without one for LOST_SECONDS reads NotResponding, and Running again with the next one. It fails once
it has not responded for a configured time, or at once if it is a child of a run that has ended.
"""

import logging
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from dispatcher.access.permissions import Grant, Scope
from dispatcher.core.runs.lifecycle import (
    ContactLost,
    ContactRegained,
    IllegalTransition,
    Run,
    Status,
)
from dispatcher.services.status import Clock, StatusService
from dispatcher.store.commits import Commit
from dispatcher.store.contract import Store
from dispatcher.store.leases.contract import Holder
from dispatcher.store.runs.contract import RunQuery, cursor_of

log = logging.getLogger(__name__)
LOST_SECONDS = 20.0
CHECK_SECONDS = 2.0
SHARE_SECONDS = 10.0  # so often a heartbeat is passed on to the other services of a database
_PAGE = 500


@dataclass
class _Watched:
    run: Run
    heard_at: float  # by the monotonic clock of this process
    shared_at: float = float("-inf")


class Heartbeats:
    """Watches the interactive runs that have heartbeats.

    Args:
        store: The store.
        status: Records what is noticed.
        clock: Seconds since the epoch.
        monotonic: A clock that stands still while the machine is suspended.
        end_after: Seconds without a heartbeat, after which a run that reads NotResponding fails.
        shared: Whether other services on the database receive heartbeats, too.
    """

    def __init__(
        self,
        store: Store,
        status: StatusService,
        clock: Clock,
        monotonic: Callable[[], float],
        end_after: float,
        *,
        shared: bool = False,
    ) -> None:
        self._store, self._status, self._shared = store, status, shared
        self._clock, self._monotonic, self._end_after = clock, monotonic, end_after
        self._watched: dict[str, _Watched] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeats", daemon=True)

    def start(self) -> None:
        """Find the runs that are watched, and begin."""
        self._store.subscribe(self._committed)
        query = RunQuery(status=Status.RUNNING.value, limit=_PAGE)
        while runs := self._store.read(lambda tx, query=query: tx.runs.query(query)):  # type: ignore[misc]
            self._take(runs)
            query = replace(query, after=cursor_of(runs[-1]))
        self._thread.start()

    def stop(self) -> None:
        """Stop watching."""
        self._closed.set()
        if self._thread.is_alive():
            self._thread.join()

    def beat(self, run_ids: Collection[str], caller: Grant) -> list[str]:
        """Take the heartbeats of some runs.

        Returns:
            Those that have ended or are not known: no more heartbeats are needed.

        Raises:
            NotAllowed: The caller may not change one of them.
        """
        with self._lock:
            known = {run_id: self._watched.get(run_id) for run_id in run_ids}
        if caller.scope is not Scope.ANY or None in known.values():
            runs = self._status.get_many(list(known))
            for run in runs.values():
                caller.require(run)
            self._take(list(runs.values()))
        ended = []
        for run_id in run_ids:
            with self._lock:
                entry = self._watched.get(run_id)
                if entry is not None:
                    entry.heard_at = self._monotonic()
            if entry is None:
                ended.append(run_id)
            else:
                self._share(entry)
                if entry.run.not_responding_since is not None:
                    self._record(run_id, ContactRegained())
        return ended

    def check(self) -> None:
        """Look once for runs that are silent."""
        now = self._monotonic()
        with self._lock:
            silent = [e for e in self._watched.values() if now - e.heard_at >= LOST_SECONDS]
        for entry in silent:
            if self._is_heard_elsewhere(entry.run.id):
                entry.heard_at = now
            elif entry.run.not_responding_since is None:
                self._record(entry.run.id, ContactLost(self._clock()))
            self._end_if_due(entry.run.id)

    def _end_if_due(self, run_id: str) -> None:
        with self._lock:
            entry = self._watched.get(run_id)
        if entry is None or entry.run.not_responding_since is None:
            return
        silent = self._clock() - entry.run.not_responding_since
        parent = self._ended_parent(entry.run)
        if parent is None and silent < self._end_after:
            return
        why = (
            f"its parent {parent.id}, whose script had started it, has ended"
            if parent is not None
            else f"there was no heartbeat of its process for {silent + LOST_SECONDS:.0f} s"
        )
        text = f"The process that drives this interactive run is gone: {why}."
        try:
            self._status.finish(run_id, {"error": {"code": "ProcessLost", "message": text}})
        except IllegalTransition:
            log.info("a silent run has ended meanwhile", extra={"run": run_id})

    def _ended_parent(self, run: Run) -> Run | None:
        """The parent, if it had a job and has ended: then no process of it drives children."""
        parent_id = run.spec.parent_id
        parent = None if parent_id is None else self._status.get_many([parent_id]).get(parent_id)
        has_ended = parent is not None and parent.terminal and not parent.spec.interactive
        return parent if has_ended else None

    def _record(self, run_id: str, event: ContactLost | ContactRegained) -> None:
        try:
            self._status.record(run_id, event)
        except IllegalTransition:
            log.info("a run has ended meanwhile", extra={"run": run_id})

    def _share(self, entry: _Watched) -> None:
        """Tell the other services on the database of a heartbeat, now and then."""
        now = self._monotonic()
        if not self._shared or now - entry.shared_at < SHARE_SECONDS:
            return
        entry.shared_at = now
        name, ttl = _lease(entry.run.id), LOST_SECONDS + SHARE_SECONDS
        holder = Holder("client", entry.run.id)
        at = self._clock()
        self._store.write(lambda tx: tx.leases.acquire(name, holder, now=at, ttl=ttl))

    def _is_heard_elsewhere(self, run_id: str) -> bool:
        if not self._shared:
            return False
        state = self._store.read(lambda tx: tx.leases.state(_lease(run_id)))
        return state is not None and state.expires > self._clock()

    def _committed(self, commit: Commit) -> None:
        self._take(commit.runs)

    def _take(self, runs: Collection[Run]) -> None:
        """Watch the runs that have heartbeats, and leave those that have ended."""
        now = self._monotonic()
        with self._lock:
            for run in runs:
                entry = self._watched.get(run.id)
                if run.terminal or not run.spec.heartbeat:
                    self._watched.pop(run.id, None)
                elif entry is None:
                    self._watched[run.id] = _Watched(run, now)
                elif run.version >= entry.run.version:
                    entry.run = run

    def _run(self) -> None:
        while not self._closed.wait(CHECK_SECONDS):
            try:
                self.check()
            except Exception:  # a store that is away: the next check tries again
                log.exception("the heartbeats could not be checked")


def _lease(run_id: str) -> str:
    return f"heartbeat/{run_id}"
