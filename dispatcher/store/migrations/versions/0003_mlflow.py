"""What MLflow shows of a run: params, records, and the newest number of each metric.

The first revision makes whatever the code knows, so in a new database this one finds it done.
"""

import json
from typing import Any

from alembic import op
from sqlalchemy import insert, select

from dispatcher.store.numbers import newest
from dispatcher.store.records import Point
from dispatcher.store.rows import LatestRow, ParamRow, PointRow, RecordRow

revision = "0003"
down_revision = "0002"
_PIECE = 10_000


def upgrade() -> None:
    connection = op.get_bind()
    for table in (_table(LatestRow), _table(ParamRow), _table(RecordRow)):
        table.create(connection, checkfirst=True)
    _fill_latest()


def _table(row: Any) -> Any:
    return row.__table__


def _fill_latest() -> None:
    """From the points that are there, run by run, so that no more is held than one run logged."""
    connection = op.get_bind()
    points, latest = _table(PointRow), _table(LatestRow)
    for (run_id,) in connection.execute(select(points.c.run_id).distinct()).all():
        rows = connection.execute(select(points).where(points.c.run_id == run_id)).mappings()
        found = newest(
            Point(
                run_id, row["attempt"], row["name"], row["kind"], json.loads(row["value"]),
                row["t"], row["step"],
            )
            for row in rows
        )  # fmt: skip
        fresh = [
            {
                "run_id": run_id, "name": name, "attempt": attempt, "t": last.t, "step": last.step,
                "value": last.value if last.value == last.value else None,
            }
            for (_, name), (attempt, last) in found.items()
        ]  # fmt: skip
        for start in range(0, len(fresh), _PIECE):
            connection.execute(insert(latest), fresh[start : start + _PIECE])
