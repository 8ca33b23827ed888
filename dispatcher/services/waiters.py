"""Callers that wait for runs are woken by the commit that ends their wait.

A caller is registered before its runs are read, so no change can fall between the two. Commits of
every process arrive through `Store.subscribe`.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence

from dispatcher.access.permissions import Grant
from dispatcher.core.errors import RunNotFound
from dispatcher.core.runs.lifecycle import Run
from dispatcher.store.commits import Commit
from dispatcher.store.contract import Store
from dispatcher.store.retention.deleted_event import DELETED_KIND

Done = Callable[[Run], bool]


class _Wait:
    """One caller, the runs as it knows them, and which of them it still waits for."""

    def __init__(self, ids: Collection[str], done: Done) -> None:
        self.runs: dict[str, Run] = {}
        self.pending = set(ids)
        self.over = asyncio.Event()
        self.deleted: str | None = None  # a run that was deleted meanwhile
        self._done = done

    def offer(self, run: Run) -> None:
        known = self.runs.get(run.id)
        if known is not None and known.version > run.version:
            return
        self.runs[run.id] = run
        if self._done(run):
            self.pending.discard(run.id)
            if not self.pending:
                self.over.set()

    def lose(self, run_id: str) -> None:
        """End the wait, because a run was deleted."""
        self.deleted = run_id
        self.over.set()


class Waiters:
    """Callers by run id, all on one event loop."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: dict[str, set[_Wait]] = {}
        self._closing = False
        store.subscribe(self._committed)

    def start(self) -> None:
        """Bind to the running loop; call it there before the first wait."""
        self._loop = asyncio.get_running_loop()
        self._closing = False

    def stop(self) -> None:
        """End all waits, so that a closing server does not hold its clients."""
        self._closing = True
        for waits in list(self._waiting.values()):
            for wait in waits:
                wait.over.set()

    async def until(
        self, ids: Collection[str], done: Done, seconds: float, caller: Grant | None = None
    ) -> dict[str, Run]:
        """Wait until `done` holds of every one of the runs, or until time is up; the runs as they
        are then.

        Raises:
            RunNotFound: There is no run of that id, or it was deleted meanwhile.
            NotAllowed: The caller's grant does not cover a run.
        """
        wait = _Wait(ids, done)
        for run_id in ids:
            self._waiting.setdefault(run_id, set()).add(wait)
        try:
            for run in (await self._read(ids)).values():
                wait.offer(run)
            for run_id in ids:
                if run_id not in wait.runs:
                    raise RunNotFound(run_id)
                if caller is not None:
                    caller.require(wait.runs[run_id])
            if seconds > 0 and wait.pending and not self._closing:
                await _within(wait.over, seconds)
            if wait.deleted is not None:
                raise RunNotFound(wait.deleted)
            return wait.runs
        finally:
            self._forget(ids, wait)

    def _forget(self, ids: Collection[str], wait: _Wait) -> None:
        for run_id in ids:
            waits = self._waiting.get(run_id)
            if waits is not None:
                waits.discard(wait)
                if not waits:
                    del self._waiting[run_id]

    def _committed(self, commit: Commit) -> None:
        """Called by the thread that delivers the commit."""
        if self._loop is not None and not self._loop.is_closed():
            deleted = [event.subject for event in commit.events if event.kind == DELETED_KIND]
            self._loop.call_soon_threadsafe(self._hand_over, commit.runs, deleted)

    def _hand_over(self, runs: Sequence[Run], deleted: Sequence[str]) -> None:
        for run in runs:
            for wait in list(self._waiting.get(run.id, ())):
                wait.offer(run)
        for run_id in deleted:
            for wait in list(self._waiting.get(run_id, ())):
                wait.lose(run_id)

    async def _read(self, ids: Collection[str]) -> dict[str, Run]:
        if not ids:
            return {}
        return await asyncio.to_thread(lambda: self._store.read(lambda tx: tx.runs.get(ids)))


async def _within(event: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return
