"""Metric points and stream offsets in SQL. Values are JSON text as Python writes it, so NaN comes
back as NaN.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, delete, insert, select, tuple_

from dispatcher.store.contract import Point
from dispatcher.store.rows import PointRow, StreamRow
from dispatcher.store.sql_runs import chunks

POINTS = PointRow.__table__  # type: ignore[attr-defined]
STREAMS = StreamRow.__table__  # type: ignore[attr-defined]
_KEY = (STREAMS.c.run_id, STREAMS.c.attempt, STREAMS.c.stream)


class SqlTelemetry:
    """See `contract.Telemetry`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def offsets(self, streams: Collection[tuple[str, int, str]]) -> dict[tuple[str, int, str], int]:
        known = dict.fromkeys(streams, 0)
        if known:
            for row in self._connection.execute(
                select(STREAMS).where(tuple_(*_KEY).in_(list(known))).with_for_update()
            ):
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
        if points:
            self._connection.execute(insert(POINTS), [_row(point) for point in points])

    def points(
        self,
        ids: Collection[str],
        name: str | None = None,
        attempts: Mapping[str, int] | None = None,
    ) -> dict[str, list[Point]]:
        found: dict[str, list[Point]] = {}
        for some in chunks(ids):
            statement = select(POINTS).where(POINTS.c.run_id.in_(some)).order_by(POINTS.c.id)
            if name is not None:
                statement = statement.where(POINTS.c.name == name)
            for row in self._connection.execute(statement).mappings():
                run_id, attempt = row["run_id"], row["attempt"]
                if attempts is not None and attempts.get(run_id, attempt) != attempt:
                    continue
                found.setdefault(run_id, []).append(_point(row))
        return found

    def streams(self, run_id: str) -> list[tuple[int, str, int]]:
        statement = select(STREAMS).where(STREAMS.c.run_id == run_id)
        rows = self._connection.execute(statement.order_by(STREAMS.c.attempt, STREAMS.c.stream))
        return [(row.attempt, row.stream, row.size) for row in rows]


def _point(row: Any) -> Point:
    fields = {name: row[name] for name in Point.__dataclass_fields__}
    return Point(**{**fields, "value": json.loads(row["value"])})


def _row(point: Point) -> dict[str, object]:
    return {
        "run_id": point.run_id,
        "attempt": point.attempt,
        "name": point.name,
        "kind": point.kind,
        "value": json.dumps(point.value, separators=(",", ":")),
        "t": point.t,
        "step": point.step,
        "description": point.description,
    }
