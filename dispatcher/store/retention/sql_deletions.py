"""Deleted runs, in SQL."""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    Connection,
    and_,
    bindparam,
    delete,
    func,
    insert,
    not_,
    or_,
    select,
    tuple_,
    update,
)

from dispatcher.core.runs.lifecycle import Status
from dispatcher.store.artifacts.sql import ARTIFACTS
from dispatcher.store.documents.sql import DOCUMENTS, PARAMS
from dispatcher.store.events.contract import Events
from dispatcher.store.events.sql import EVENTS
from dispatcher.store.metrics.sql import LATEST, POINTS, STREAMS
from dispatcher.store.precompiled import Precompiled
from dispatcher.store.retention.contract import DeletedRun, EndedCursor, EndedRun, TreeRun
from dispatcher.store.retention.deleted_event import DELETED_KIND, MODEL_PREFIX, deleted_event
from dispatcher.store.retention.rows import DeletedRunRow
from dispatcher.store.runs.sql import PROPERTIES, RUNS, TAGS, chunks
from dispatcher.store.runs.sql_listing import below
from dispatcher.store.sweeps.sql import SWEEPS

DELETED = DeletedRunRow.__table__  # type: ignore[attr-defined]
IS_LOG = STREAMS.c.stream.startswith("log:", autoescape=True)
_ENDED = (RUNS.c.bucket == "done", RUNS.c.parent_id.is_(None), RUNS.c.ended_at.is_not(None))
_LAST = "\U0010ffff"
_BY_ID = Precompiled(select(DELETED).where(DELETED.c.run_id == bindparam("wanted")))


class SqlDeletions:
    """See `contract.Deletions`."""

    def __init__(self, connection: Connection, events: Events) -> None:
        self._connection = connection
        self._events = events

    def tree(self, run_id: str) -> list[TreeRun]:
        path = self._connection.execute(select(RUNS.c.path).where(RUNS.c.id == run_id)).scalar()
        if path is None:
            return []
        statement = (
            select(RUNS.c.id, RUNS.c.status, RUNS.c.bucket)
            .where(or_(RUNS.c.path == path, below(path)))
            .order_by(RUNS.c.seq)
        )
        if self._connection.dialect.name == "sqlite":  # one transaction writes at a time
            return _tree(self._connection.execute(statement))
        seen = -1
        while True:  # a child may be added while the lock on its parent is waited for
            found = _tree(self._connection.execute(statement.with_for_update()))
            if len(found) == seen:
                return found
            seen = len(found)

    def delete(
        self, ids: Collection[str], *, at: float, by: str, kept: Mapping[str, Collection[str]]
    ) -> None:
        for some in chunks(ids):
            self._connection.execute(delete(RUNS).where(RUNS.c.id.in_(some)))
            self._connection.execute(delete(SWEEPS).where(SWEEPS.c.run_id.in_(some)))
            without = [run_id for run_id in some if run_id not in kept]
            self._connection.execute(delete(ARTIFACTS).where(ARTIFACTS.c.run_id.in_(without)))
            for run_id in kept.keys() & set(some):
                self._delete_files(run_id, kept[run_id])
            rows = [{"run_id": each, "at": at, "by": by, "purge_due": at} for each in some]
            self._connection.execute(insert(DELETED), rows)
        self._events.add([deleted_event(run_id, at) for run_id in ids])

    def ended(
        self, before: float, after: EndedCursor | None, limit: int, experiment: str | None = None
    ) -> list[EndedRun]:
        statement = select(RUNS.c.id, RUNS.c.ended_at, RUNS.c.seq).where(
            *_ENDED, RUNS.c.ended_at < before
        )
        if after is not None:
            statement = statement.where(tuple_(RUNS.c.ended_at, RUNS.c.seq) > tuple_(*after))
        if experiment is not None:
            statement = statement.where(RUNS.c.experiment == experiment)
        statement = statement.order_by(RUNS.c.ended_at, RUNS.c.seq).limit(limit)
        rows = self._connection.execute(statement)
        return [EndedRun(run_id, (ended_at, seq)) for run_id, ended_at, seq in rows]

    def count_ended(self) -> int:
        statement = select(func.count()).select_from(RUNS).where(*_ENDED)
        return int(self._connection.execute(statement).scalar_one())

    def marked(self, kind: str) -> dict[str, float]:
        statement = select(DOCUMENTS.c.run_id, DOCUMENTS.c.body).where(DOCUMENTS.c.kind == kind)
        rows = self._connection.execute(statement)
        return {run_id: json.loads(body)["at"] for run_id, body in rows}

    def with_logs(self, before: float, limit: int) -> list[str]:
        statement = (
            select(STREAMS.c.run_id)
            .join(RUNS, RUNS.c.id == STREAMS.c.run_id)
            .where(RUNS.c.bucket == "done", RUNS.c.ended_at < before, IS_LOG)
            .distinct()
            .limit(limit)
        )
        return [row[0] for row in self._connection.execute(statement)]

    def drop_logs(self, ids: Collection[str]) -> None:
        for some in chunks(ids):
            self._connection.execute(delete(STREAMS).where(STREAMS.c.run_id.in_(some), IS_LOG))

    def find(self, ids: Collection[str]) -> dict[str, DeletedRun]:
        found: dict[str, DeletedRun] = {}
        if len(ids) == 1:
            rows = _BY_ID.execute(self._connection, {"wanted": next(iter(ids))})
            return {row.run_id: DeletedRun(*row) for row in rows}
        for some in chunks(ids):
            rows = self._connection.execute(select(DELETED).where(DELETED.c.run_id.in_(some)))
            found.update((row.run_id, DeletedRun(*row)) for row in rows)
        return found

    def due(self, now: float, limit: int) -> list[DeletedRun]:
        statement = select(DELETED).where(DELETED.c.purge_due <= now)
        rows = self._connection.execute(statement.order_by(DELETED.c.purge_due).limit(limit))
        return [DeletedRun(*row) for row in rows]

    def purge(self, ids: Sequence[str], *, limit: int, next_due: float | None) -> bool:
        for some in chunks(ids):
            first = select(POINTS.c.id).where(POINTS.c.run_id.in_(some)).limit(limit)
            points = delete(POINTS).where(POINTS.c.id.in_(first))
            if self._connection.execute(points).rowcount >= limit:
                return False
            for table in (LATEST, PARAMS, DOCUMENTS, TAGS, STREAMS):
                self._connection.execute(delete(table).where(table.c.run_id.in_(some)))
            model = and_(PROPERTIES.c.key >= MODEL_PREFIX, PROPERTIES.c.key < MODEL_PREFIX + _LAST)
            if self._connection.dialect.name != "sqlite":
                model = PROPERTIES.c.key.startswith(MODEL_PREFIX, autoescape=True)
            self._connection.execute(
                delete(PROPERTIES).where(PROPERTIES.c.run_id.in_(some), not_(model))
            )
            events = delete(EVENTS).where(EVENTS.c.run_id.in_(some))
            if next_due is not None:
                events = events.where(EVENTS.c.kind != DELETED_KIND)
            self._connection.execute(events)
            done = update(DELETED).where(DELETED.c.run_id.in_(some))
            self._connection.execute(done.values(purge_due=next_due))
        return True

    def forget(self, before: float) -> int:
        old = delete(DELETED).where(DELETED.c.purge_due.is_(None), DELETED.c.at < before)
        return int(self._connection.execute(old).rowcount)

    def _delete_files(self, run_id: str, kept: Collection[str]) -> None:
        """Delete the names of a run's files but these, and those in these folders."""
        name = ARTIFACTS.c.name
        stays = [or_(name == path, and_(name >= f"{path}/", name < f"{path}0")) for path in kept]
        mine = delete(ARTIFACTS).where(ARTIFACTS.c.run_id == run_id)
        self._connection.execute(mine.where(not_(or_(*stays))))


def _tree(rows: Any) -> list[TreeRun]:
    return [TreeRun(run_id, Status(status), bucket == "done") for run_id, status, bucket in rows]
