"""The store on SQLite and PostgreSQL.

Writes go through one writer thread (`writer.py`), which puts many into one commit. Between
processes, a run is guarded by compare-and-swap on its version, on both databases alike.
"""

import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection

from dispatcher.core.runs.lifecycle import Run
from dispatcher.store.artifacts.sql import SqlArtifacts
from dispatcher.store.commits import Commit, CommitFeed, Subscriber
from dispatcher.store.database import create_database_engine, translated
from dispatcher.store.documents.sql import SqlDocuments, SqlParams
from dispatcher.store.environments.sql import SqlEnvironments
from dispatcher.store.events.contract import SERVICE, NewEvent
from dispatcher.store.events.reading import read_commit
from dispatcher.store.events.sql import SqlEvents
from dispatcher.store.idempotency.sql import SqlIdempotencyKeys
from dispatcher.store.labels.sql import SqlLabels
from dispatcher.store.leases.sql import SqlLeases
from dispatcher.store.metrics.sql import SqlMetrics
from dispatcher.store.migrations import migrate
from dispatcher.store.notifications import NotificationListener
from dispatcher.store.registry.sql import SqlRegistry
from dispatcher.store.retention.sql_deletions import SqlDeletions
from dispatcher.store.retention.sql_references import SqlReferences
from dispatcher.store.runs.sql import SqlRuns
from dispatcher.store.sweeps.sql import SqlSweeps
from dispatcher.store.tokens.sql import SqlTokens
from dispatcher.store.writer import Writer

T = TypeVar("T")


class SqlTransaction:
    """One transaction: the calls on each noun, over one connection."""

    def __init__(self, connection: Connection) -> None:
        self.pending: list[NewEvent] = []
        self.changed: dict[str, Run] = {}
        self.events = SqlEvents(connection, self.pending)
        self.runs = SqlRuns(connection, self.events, self.changed)
        self.labels = SqlLabels(connection, self.events)
        self.metrics = SqlMetrics(connection)
        self.params = SqlParams(connection)
        self.documents = SqlDocuments(connection)
        self.artifacts = SqlArtifacts(connection)
        self.registry = SqlRegistry(connection, self.events)
        self.leases = SqlLeases(connection)
        self.sweeps = SqlSweeps(connection, self.events)
        self.idempotency = SqlIdempotencyKeys(connection)
        self.tokens = SqlTokens(connection, self.events)
        self.environments = SqlEnvironments(connection, self.events)
        self.deletions = SqlDeletions(connection, self.events)
        self.references = SqlReferences(connection, self.sweeps)


class SqlStore:
    """A store in a database.

    Args:
        url: SQLAlchemy's. Tables are created or migrated when the store is opened.
        clock: Seconds since the epoch, for events whose change has no time of its own.
    """

    def __init__(self, url: str, clock: Callable[[], float] = time.time) -> None:
        self._engine = create_database_engine(url)
        with translated(self._engine):
            migrate(self._engine)
        self._feed = CommitFeed(self)
        self._writer = Writer(self._engine, SqlTransaction, self._feed.committed, clock)
        self._listener: NotificationListener | None = None
        if self._engine.dialect.name == "postgresql":
            self._listener = NotificationListener(self._engine, self._feed.catch_up)

    def write(self, work: Callable[[SqlTransaction], T], actor: str = SERVICE) -> T:
        return self._writer.write(work, actor)

    def read(self, work: Callable[[SqlTransaction], T]) -> T:
        with translated(self._engine), self._engine.connect() as connection:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN")
            else:
                connection = connection.execution_options(isolation_level="REPEATABLE READ")
            return work(SqlTransaction(connection))

    def subscribe(self, subscriber: Subscriber) -> None:
        self._feed.subscribe(subscriber)

    def check(self) -> None:
        self._writer.check()

    def close(self) -> None:
        if self._listener is not None:
            self._listener.close()
        self._writer.close()
        self._engine.dispose()

    def last_event(self) -> int:
        """See `commits.LogReader`."""
        return self.read(lambda tx: tx.events.last())

    def events_after(self, position: int, limit: int) -> Commit:
        """See `commits.LogReader`."""
        return self.read(lambda tx: read_commit(tx, position, limit))
