"""The writer: one thread that puts many writes into one commit.

A commit costs a disk flush, and a thousand runs a second would each need three. So `write` hands
its work to the writer, which takes everything that waits, runs each piece under a savepoint (what
one raises undoes that one alone), records the events of all, and commits once. While it flushes,
the next batch gathers: under load the batches grow by themselves.
"""

import logging
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, IntegrityError

from dispatcher.core.errors import RunConflict, StoreUnavailable
from dispatcher.core.runs.lifecycle import Run
from dispatcher.store.commits import Commit
from dispatcher.store.database import is_transient, unavailable
from dispatcher.store.events.contract import NewEvent
from dispatcher.store.events.sql import record

T = TypeVar("T")
log = logging.getLogger(__name__)

BATCH = 256  # pieces of work in one commit; one piece may hold thousands of runs
ATTEMPTS = 5


class WritableTransaction(Protocol):
    """What the writer needs of a transaction: its events, and the runs that it changed."""

    pending: list[NewEvent]
    changed: dict[str, Run]


@dataclass(frozen=True)
class _Piece:
    work: Callable[[Any], Any]
    actor: str
    outcome: "Future[Any]"


class Writer:
    """Takes work from any thread, commits it, and reports each commit.

    Args:
        engine: The database.
        transact: Makes a transaction over a connection.
        committed: Called with each commit, before its callers are answered.
        clock: Seconds since the epoch.
    """

    def __init__(
        self,
        engine: Engine,
        transact: Callable[[Connection], WritableTransaction],
        committed: Callable[[Commit], None],
        clock: Callable[[], float],
    ) -> None:
        self._engine, self._transact, self._clock = engine, transact, clock
        self._committed = committed
        self._pieces: queue.SimpleQueue[_Piece | None] = queue.SimpleQueue()
        self._connection: Connection | None = None
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    def write(self, work: Callable[[Any], T], actor: str) -> T:
        """See `contract.Store.write`."""
        self.check()
        outcome: Future[T] = Future()
        self._pieces.put(_Piece(work, actor, outcome))
        return outcome.result()

    def check(self) -> None:
        """Raise StoreUnavailable if the thread is gone: nothing would ever be written."""
        if not self._thread.is_alive():
            raise StoreUnavailable("the store's writer has ended: restart the service")

    def close(self) -> None:
        """Commit what waits, and end."""
        self._pieces.put(None)
        self._thread.join()
        self._refuse_waiting()
        self._disconnect()

    def _run(self) -> None:
        while (first := self._pieces.get()) is not None:
            batch = [first]
            while len(batch) < BATCH and not self._pieces.empty():
                following = self._pieces.get()
                if following is None:
                    self._pieces.put(None)
                    break
                batch.append(following)
            self._serve(batch)

    def _refuse_waiting(self) -> None:
        """Answer those whose work came too late to be taken."""
        while not self._pieces.empty():
            piece = self._pieces.get()
            if piece is not None:
                piece.outcome.set_exception(StoreUnavailable("the store is closed"))

    def _serve(self, batch: Sequence[_Piece]) -> None:
        """Commit a batch and answer its callers, whatever happens: the thread must go on."""
        try:
            outcomes, commit = self._commit(batch)
        except DBAPIError as error:
            log.exception("commit failed")
            outcomes, commit = [unavailable(error, self._engine)] * len(batch), Commit((), ())
        except BaseException as error:
            log.exception("commit failed")
            failure = StoreUnavailable(f"the commit failed: {type(error).__name__}: {error}")
            failure.__cause__ = error
            outcomes, commit = [failure] * len(batch), Commit((), ())
        if commit.events or commit.runs:
            self._committed(commit)
        for piece, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, BaseException):
                piece.outcome.set_exception(outcome)
            else:
                piece.outcome.set_result(outcome)

    def _commit(self, batch: Sequence[_Piece]) -> tuple[list[Any], Commit]:
        """Commit a batch; a commit that the database refused or lost is tried again, whole."""
        for attempt in range(1, ATTEMPTS):
            try:
                return self._try(batch)
            except DBAPIError as error:
                if not is_transient(error):
                    raise
                threading.Event().wait(0.05 * 2**attempt)
        return self._try(batch)

    def _try(self, batch: Sequence[_Piece]) -> tuple[list[Any], Commit]:
        outcomes: list[Any] = []
        pending: list[tuple[NewEvent, str]] = []
        changed: dict[str, Run] = {}
        connection = self._connect()
        try:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            for piece in batch:
                transaction = self._transact(connection)
                outcomes.append(_attempt(connection, piece, transaction, alone=len(batch) == 1))
                if not isinstance(outcomes[-1], BaseException):
                    pending += ((event, piece.actor) for event in transaction.pending)
                    changed.update(transaction.changed)
            if len(batch) == 1 and isinstance(outcomes[0], BaseException):
                connection.rollback()
                return outcomes, Commit((), ())
            events = record(connection, pending, now=self._clock())
            connection.commit()
        except BaseException:
            self._disconnect()
            raise
        return outcomes, Commit(events, list(changed.values()))

    def _connect(self) -> Connection:
        """The writer's own connection, kept from commit to commit."""
        if self._connection is None:
            self._connection = self._engine.connect()
        return self._connection

    def _disconnect(self) -> None:
        """After database trouble the connection is in doubt: the next commit opens a new one."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            connection.invalidate()
            connection.close()


def _attempt(
    connection: Connection, piece: _Piece, transaction: WritableTransaction, *, alone: bool
) -> Any:
    """Run one piece, undone alone if it raises. Database trouble is the whole batch's."""
    try:
        if alone:
            return piece.work(transaction)
        with connection.begin_nested():
            return piece.work(transaction)
    except IntegrityError as error:
        return RunConflict(f"it is there already: {error.orig}")
    except DBAPIError:
        raise
    except Exception as error:
        return error
