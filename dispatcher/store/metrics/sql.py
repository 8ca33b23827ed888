"""Metric points and stream offsets in SQL. Values are JSON text as Python writes it, so NaN comes
back as NaN.
"""

import json
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

from sqlalchemy import Connection, and_, delete, func, insert, select, tuple_
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from dispatcher.store.metrics.contract import Latest, Number, Point, Sample
from dispatcher.store.metrics.numbers import LOWEST, newest, newest_of
from dispatcher.store.metrics.rows import LatestRow, PointRow, StreamRow
from dispatcher.store.runs.sql import chunks

POINTS = PointRow.__table__  # type: ignore[attr-defined]
STREAMS = StreamRow.__table__  # type: ignore[attr-defined]
LATEST = LatestRow.__table__  # type: ignore[attr-defined]
_KEY = (STREAMS.c.run_id, STREAMS.c.attempt, STREAMS.c.stream)
ROWS = 500  # in one statement: SQLite takes 32,766 values in one, PostgreSQL 65,535
_COLUMNS = ("run_id", "attempt", "name", "kind", "value", "t", "step", "description")
_SAID = tuple(POINTS.c[name] for name in _COLUMNS)
Row = tuple[str, int, str, str, str, float | None, int | None, str]


@lru_cache(maxsize=64)
def _insert_points(rows: int, mark: str) -> str:
    row = f"({', '.join([mark] * len(_COLUMNS))})"
    return f"INSERT INTO points ({', '.join(_COLUMNS)}) VALUES {', '.join([row] * rows)}"


def _keep_newest(insert: Any) -> Any:
    """INSERT, or UPDATE where what is there is not newer (`numbers.rank`)."""
    statement = insert(LATEST)
    new = statement.excluded

    def rank(row: Any) -> Any:
        return tuple_(row.attempt, row.step, row.t, func.coalesce(row.value, LOWEST))

    return statement.on_conflict_do_update(
        index_elements=["run_id", "name"],
        set_={name: new[name] for name in ("attempt", "value", "t", "step")},
        where=rank(new) >= rank(LATEST.c),
    )


_KEEP_NEWEST = {
    "sqlite": _keep_newest(sqlite_insert),
    "postgresql": _keep_newest(postgresql_insert),
}


class SqlMetrics:
    """See `contract.Telemetry`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def offsets(
        self, streams: Collection[tuple[str, int, str]], *, lock: bool = False
    ) -> dict[tuple[str, int, str], int]:
        known = dict.fromkeys(streams, 0)
        if known:
            statement = select(STREAMS).where(tuple_(*_KEY).in_(list(known)))
            # A read must not lock: PostgreSQL refuses to, once the row has changed meanwhile.
            for row in self._connection.execute(statement.with_for_update() if lock else statement):
                known[(row.run_id, row.attempt, row.stream)] = row.size
        return known

    def advance(self, offsets: Mapping[tuple[str, int, str], int]) -> None:
        if not offsets:
            return
        self._connection.execute(delete(STREAMS).where(tuple_(*_KEY).in_(list(offsets))))
        self._connection.execute(
            insert(STREAMS),
            [
                {"run_id": run_id, "attempt": attempt, "stream": stream, "size": size}
                for (run_id, attempt, stream), size in offsets.items()
            ],
        )

    def add_points(self, points: Sequence[Point]) -> None:
        if not points:
            return
        self._insert([_row(point) for point in points])
        self._keep_newest(
            (run_id, name, attempt, last)
            for (run_id, name), (attempt, last) in sorted(newest(points).items(), key=_by_key)
        )

    def add_numbers(self, run_id: str, attempt: int, numbers: Sequence[Number]) -> None:
        if not numbers:
            return
        self._insert(
            [
                (run_id, attempt, name, "scalar", _json(value), t, step, "")
                for name, value, t, step in numbers
            ]
        )
        latest = sorted(newest_of(numbers).items())
        self._keep_newest((run_id, name, attempt, last) for name, last in latest)

    def _insert(self, rows: Sequence[Row]) -> None:
        """Many rows a statement, by the driver alone: this is the way of every metric."""
        mark = "?" if self._connection.dialect.name == "sqlite" else "%s"
        for start in range(0, len(rows), ROWS):
            some = rows[start : start + ROWS]
            values = tuple(chain.from_iterable(some))
            self._connection.exec_driver_sql(_insert_points(len(some), mark), values)

    def _keep_newest(self, latest: Iterable[tuple[str, str, int, Latest]]) -> None:
        fresh = [
            {"run_id": run_id, "name": name, "attempt": attempt, "t": last.t, "step": last.step,
             "value": last.value if last.value == last.value else None}
            for run_id, name, attempt, last in latest
        ]  # fmt: skip
        if fresh:
            self._connection.execute(_KEEP_NEWEST[self._connection.dialect.name], fresh)

    def points(
        self,
        ids: Collection[str],
        name: str | None = None,
        attempts: Mapping[str, int] | None = None,
    ) -> dict[str, list[Point]]:
        found: dict[str, list[Point]] = {}
        for some in chunks(ids):
            statement = select(*_SAID).where(POINTS.c.run_id.in_(some)).order_by(POINTS.c.id)
            if name is not None:
                statement = statement.where(POINTS.c.name == name)
            # By position: rows by name take five times as long, and there may be many of them.
            for run_id, attempt, metric, kind, value, *rest in self._connection.execute(statement):
                if attempts is None or attempts.get(run_id, attempt) == attempt:
                    point = Point(run_id, attempt, metric, kind, json.loads(value), *rest)
                    found.setdefault(run_id, []).append(point)
        return found

    def latest(self, attempts: Mapping[str, int]) -> dict[str, dict[str, Latest]]:
        found: dict[str, dict[str, Latest]] = {}
        for some in chunks(attempts):
            statement = select(LATEST).where(LATEST.c.run_id.in_(some)).order_by(LATEST.c.name)
            for run_id, name, attempt, value, t, step in self._connection.execute(statement):
                if attempt == attempts[run_id]:
                    number = math.nan if value is None else value
                    found.setdefault(run_id, {})[name] = Latest(number, t, step)
        return found

    def history(
        self, run_id: str, name: str, attempt: int, *, after: int = 0, limit: int | None = None
    ) -> list[Sample]:
        statement = (
            select(POINTS.c.id, POINTS.c.value, POINTS.c.t, POINTS.c.step)
            .where(POINTS.c.run_id == run_id, POINTS.c.name == name, POINTS.c.id > after)
            .where(POINTS.c.attempt == attempt, POINTS.c.kind == "scalar")
            .order_by(POINTS.c.id)
        )
        if limit is not None:  # what is not a number must not count for a page
            numbers = and_(POINTS.c.value.not_like('"%'), POINTS.c.value != "null")
            statement = statement.where(numbers).limit(limit)
        found: list[Sample] = []
        for place, value, t, step in self._connection.execute(statement):
            try:
                number = float(value)  # it reads JSON's NaN and Infinity, too
            except ValueError:
                if value not in ("true", "false"):
                    continue
                number = float(value == "true")
            found.append((place, number, t, step or 0))
        return found

    def streams(self, run_id: str) -> list[tuple[int, str, int]]:
        statement = select(STREAMS).where(STREAMS.c.run_id == run_id)
        rows = self._connection.execute(statement.order_by(STREAMS.c.attempt, STREAMS.c.stream))
        return [(row.attempt, row.stream, row.size) for row in rows]


def _by_key(item: tuple[tuple[str, str], object]) -> tuple[str, str]:
    return item[0]


def _row(point: Point) -> Row:
    value = _json(point.value)
    return (
        point.run_id, point.attempt, point.name, point.kind, value, point.t, point.step,
        point.description,
    )  # fmt: skip


def _json(value: Any) -> str:
    if type(value) is float and math.isfinite(value):
        return repr(value)  # which is what `json` does with it, in a tenth of the time
    return json.dumps(value, separators=(",", ":"))
