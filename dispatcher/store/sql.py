"""The store on SQLite and PostgreSQL: one writer thread a process, and many writes in one commit.

A commit costs a disk flush, and a thousand runs a second would each need three. So `write` hands
its work to the writer, which takes everything that waits, runs each piece under a savepoint (what
one raises undoes that one alone), and commits once. While it flushes, the next batch gathers: under
load the batches grow by themselves.

Between processes, a run is guarded by compare-and-swap on its version, on both databases alike;
there is no other lock to hold. `synchronous=FULL` on SQLite: what was acknowledged survives a power
loss.
"""

import contextlib
import logging
import os
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.pool import QueuePool

from dispatcher.core.errors import RunConflict, StorageFull, StoreUnavailable
from dispatcher.core.lifecycle import Run
from dispatcher.store.artifacts.sql import SqlArtifacts
from dispatcher.store.contract import OnCommit
from dispatcher.store.documents.sql import SqlDocuments, SqlParams
from dispatcher.store.environments.sql import SqlEnvironments
from dispatcher.store.labels.sql import SqlLabels
from dispatcher.store.leases.sql import SqlLeases
from dispatcher.store.metrics.sql import SqlMetrics
from dispatcher.store.migrations import migrate
from dispatcher.store.registry.sql import SqlRegistry
from dispatcher.store.runs.sql import SqlRuns
from dispatcher.store.sweeps.sql import SqlSweeps

T = TypeVar("T")
log = logging.getLogger(__name__)
_FULL = ("disk is full", "no space left on device", "disk quota exceeded")
BATCH = 256  # pieces of work in one commit; one piece may hold thousands of runs
ATTEMPTS = 5


class SqlTransaction:
    """One transaction: groups of calls over one connection."""

    def __init__(self, connection: Connection) -> None:
        self.touched: dict[str, Run] = {}
        self.runs = SqlRuns(connection, self.touched)
        self.labels = SqlLabels(connection)
        self.metrics = SqlMetrics(connection)
        self.params = SqlParams(connection)
        self.documents = SqlDocuments(connection)
        self.artifacts = SqlArtifacts(connection)
        self.registry = SqlRegistry(connection)
        self.leases = SqlLeases(connection)
        self.sweeps = SqlSweeps(connection)
        self.environments = SqlEnvironments(connection)


@dataclass(frozen=True)
class _Piece:
    work: Callable[[SqlTransaction], Any]
    done: "Future[Any]"


class SqlStore:
    """A store in a database. `url` is SQLAlchemy's; tables are made or migrated on opening."""

    def __init__(self, url: str) -> None:
        self._engine = _engine(url)
        self._pieces: queue.SimpleQueue[_Piece | None] = queue.SimpleQueue()
        self._listeners: list[OnCommit] = []
        self._writing: Connection | None = None
        with _translated(self._engine):
            migrate(self._engine)
        self._writer = threading.Thread(
            target=self._write_forever, name="store-writer", daemon=True
        )
        self._writer.start()

    def write(self, work: Callable[[SqlTransaction], T]) -> T:
        done: Future[T] = Future()
        self._pieces.put(_Piece(work, done))
        return done.result()

    def read(self, work: Callable[[SqlTransaction], T]) -> T:
        with _translated(self._engine), self._engine.connect() as connection:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN")
            else:
                connection = connection.execution_options(isolation_level="REPEATABLE READ")
            return work(SqlTransaction(connection))

    def on_commit(self, listener: OnCommit) -> None:
        self._listeners.append(listener)

    def close(self) -> None:
        self._pieces.put(None)
        self._writer.join()
        self._hang_up()
        self._engine.dispose()

    def _write_forever(self) -> None:
        while (first := self._pieces.get()) is not None:
            batch = [first]
            while len(batch) < BATCH and not self._pieces.empty():
                following = self._pieces.get()
                if following is None:
                    self._pieces.put(None)
                    break
                batch.append(following)
            self._commit(batch)

    def _commit(self, batch: Sequence[_Piece]) -> None:
        """Commit a batch; a commit that the database refused or lost is tried again, whole."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                outcomes, touched = self._transact(batch)
                break
            except (OperationalError, DBAPIError) as error:
                if attempt == ATTEMPTS or not _passing(error):
                    log.exception("commit failed")
                    outcomes, touched = [_trouble(error, self._engine)] * len(batch), []
                    break
                threading.Event().wait(0.05 * 2**attempt)
        self._announce(touched)
        for piece, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, BaseException):
                piece.done.set_exception(outcome)
            else:
                piece.done.set_result(outcome)

    def _transact(self, batch: Sequence[_Piece]) -> tuple[list[Any], list[Run]]:
        outcomes: list[Any] = []
        touched: dict[str, Run] = {}
        connection = self._connection()
        try:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            for piece in batch:
                transaction = SqlTransaction(connection)
                outcomes.append(_attempt(connection, piece, transaction, alone=len(batch) == 1))
                if not isinstance(outcomes[-1], BaseException):
                    touched.update(transaction.touched)
            if len(batch) == 1 and isinstance(outcomes[0], BaseException):
                connection.rollback()
            else:
                connection.commit()
        except BaseException:
            self._hang_up()
            raise
        return outcomes, list(touched.values())

    def _connection(self) -> Connection:
        """The writer's own connection, kept from commit to commit."""
        if self._writing is None:
            self._writing = self._engine.connect()
        return self._writing

    def _hang_up(self) -> None:
        """After database trouble the connection is in doubt: the next commit takes a new one."""
        if self._writing is not None:
            connection, self._writing = self._writing, None
            connection.invalidate()
            connection.close()

    def _announce(self, touched: Sequence[Run]) -> None:
        if not touched:
            return
        for listener in self._listeners:
            try:
                listener(touched)
            except Exception:
                log.exception("a commit listener failed")


def _attempt(
    connection: Connection, piece: _Piece, transaction: SqlTransaction, *, alone: bool
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


def _passing(error: DBAPIError) -> bool:
    """Whether trying again may help: a busy or restarting database, a deadlock."""
    words = str(error.orig).lower()
    hopeless = (
        *("no such", "syntax", "constraint", "readonly", "malformed"),
        *("not a database", *_FULL),
    )
    return not any(word in words for word in hopeless)


def _trouble(error: DBAPIError, engine: Engine) -> StoreUnavailable:
    """The same in our words."""
    place = engine.url.database or ""
    words = str(error.orig).lower()
    told = StoreUnavailable(f"the database does not answer: {error.orig}")
    if any(word in words for word in _FULL):
        is_file = engine.dialect.name == "sqlite"
        told = StorageFull(os.path.dirname(place) if is_file else f"the database {place!r}")
    told.__cause__ = error
    return told


@contextlib.contextmanager
def _translated(engine: Engine) -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        raise _trouble(error, engine) from error


def _engine(url: str) -> Engine:
    if not url.startswith("sqlite"):
        return create_engine(url, pool_size=8, max_overflow=24, pool_pre_ping=True)
    path = url.removeprefix("sqlite:///")
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(
        url,
        poolclass=QueuePool,
        pool_size=8,
        max_overflow=56,
        connect_args={"check_same_thread": False, "timeout": 30},
    )
    event.listen(engine, "connect", _tune_sqlite)
    return engine


def _tune_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves; reads stay autocommit
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=OFF",
        "temp_store=MEMORY",
        "cache_size=-16000",
        "wal_autocheckpoint=2000",
    ):
        connection.execute(f"PRAGMA {pragma}")
