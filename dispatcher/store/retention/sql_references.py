"""What refers to contents and logs, in SQL."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, false, func, literal, or_, select, tuple_, union_all

from dispatcher.store.artifacts.sql import ARTIFACTS
from dispatcher.store.metrics.sql import STREAMS
from dispatcher.store.retention.contract import LogKey, StoredSize
from dispatcher.store.retention.sql_deletions import IS_LOG
from dispatcher.store.retention.sweep_snapshots import snapshots_of
from dispatcher.store.runs.sql import RUNS, chunks
from dispatcher.store.runs.sql_listing import below
from dispatcher.store.sweeps.sql import SqlSweeps

_LOGS = IS_LOG
TREES = 50  # whose sizes are asked for in one statement
_LOG_KEY = (STREAMS.c.run_id, STREAMS.c.attempt, STREAMS.c.stream)


class SqlReferences:
    """See `contract.References`."""

    def __init__(self, connection: Connection, sweeps: SqlSweeps) -> None:
        self._connection = connection
        self._sweeps = sweeps

    def artifacts(self, prefix: str) -> set[str]:
        digest = ARTIFACTS.c.sha256
        within = select(digest).where(digest >= prefix, digest < f"{prefix}g").distinct()
        return {row[0] for row in self._connection.execute(within)}

    def snapshots(self) -> set[str]:
        found = snapshots_of(self._sweeps.unfinished().values())
        for column in (RUNS.c.snapshot, RUNS.c.build_context):
            statement = select(column).where(column.is_not(None)).distinct()
            found |= {row[0] for row in self._connection.execute(statement)}
        return found

    def among(self, digests: Collection[str]) -> set[str]:
        found = snapshots_of(self._sweeps.unfinished().values()) & set(digests)
        for some in chunks(digests):
            for column in (ARTIFACTS.c.sha256, RUNS.c.snapshot, RUNS.c.build_context):
                rows = self._connection.execute(select(column).where(column.in_(some)).distinct())
                found |= {row[0] for row in rows}
        return found

    def logs(self, after: LogKey | None, limit: int) -> list[LogKey]:
        statement = select(*_LOG_KEY).where(_LOGS)
        if after is not None:
            statement = statement.where(tuple_(*_LOG_KEY) > tuple_(*after))
        rows = self._connection.execute(statement.order_by(*_LOG_KEY).limit(limit))
        return [(row[0], row[1], row[2]) for row in rows]

    def tree_sizes(self, ids: Sequence[str]) -> dict[str, int]:
        sizes = dict.fromkeys(ids, 0)
        for start in range(0, len(ids), TREES):
            some = select(RUNS.c.id, RUNS.c.path).where(RUNS.c.id.in_(ids[start : start + TREES]))
            paths = {row.id: row.path for row in self._connection.execute(some)}
            below_one = or_(false(), *(below(path) for path in paths.values()))
            trees = or_(RUNS.c.path.in_(paths.values()), below_one)
            for path, size in self._sums(trees):
                for run_id in paths.keys() & set(path.split("/")):
                    sizes[run_id] += size
        return sizes

    def total_size(self) -> int:
        total = 0
        for table, terms in ((ARTIFACTS, ()), (STREAMS, (_LOGS,))):
            mine = select(func.sum(table.c.size)).join(RUNS, RUNS.c.id == table.c.run_id)
            total += int(self._connection.execute(mine.where(*terms)).scalar() or 0)
        return total

    def largest_runs(self, limit: int) -> list[StoredSize]:
        return self._largest(RUNS.c.id, limit)

    def largest_experiments(self, limit: int) -> list[StoredSize]:
        return self._largest(RUNS.c.experiment, limit)

    def _sums(self, chosen: Any) -> Iterator[tuple[str, int]]:
        """By the path of a run, the bytes of its files, and those of its logs."""
        for table, terms in ((ARTIFACTS, ()), (STREAMS, (_LOGS,))):
            sizes = select(RUNS.c.path, func.sum(table.c.size))
            mine = sizes.join(table, RUNS.c.id == table.c.run_id).where(*terms, chosen)
            for path, size in self._connection.execute(mine.group_by(RUNS.c.path)):
                yield path, int(size)

    def _largest(self, name: Any, limit: int) -> list[StoredSize]:
        nothing = literal(0)
        sizes = union_all(
            select(ARTIFACTS.c.run_id, ARTIFACTS.c.size.label("files"), nothing.label("logs")),
            select(STREAMS.c.run_id, nothing.label("files"), STREAMS.c.size.label("logs")).where(
                _LOGS
            ),
        ).subquery()
        files, logs = func.sum(sizes.c.files), func.sum(sizes.c.logs)
        statement = (
            select(name, func.min(RUNS.c.experiment), files, logs)
            .join(RUNS, RUNS.c.id == sizes.c.run_id)
            .group_by(name)
            .order_by((files + logs).desc(), name)
            .limit(limit)
        )
        rows = self._connection.execute(statement)
        return [StoredSize(row[0], row[1], int(row[2]), int(row[3])) for row in rows]
