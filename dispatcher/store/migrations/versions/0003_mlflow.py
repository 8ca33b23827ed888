"""What MLflow shows of a run: params, records, and the newest number of each metric."""

import json
import math
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
_BATCH = 10_000
_LOWEST = -1.7976931348623157e308


def upgrade() -> None:
    _create_tables()
    _fill_latest()


def _create_tables() -> None:
    op.create_table(
        "latest",
        sa.Column("run_id", sa.Text(), primary_key=True),
        sa.Column("name", sa.Text(), primary_key=True),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("value", sa.Float()),
        sa.Column("t", sa.Float(), nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "params",
        sa.Column("run_id", sa.Text(), primary_key=True),
        sa.Column("key", sa.Text(), primary_key=True),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
    )
    op.create_index("params_key", "params", ["key", "run_id"])
    serial = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    texts = ("kind", "run_id", "id", "name", "digest", "context", "body")
    op.create_table(
        "records",
        sa.Column("place", serial, primary_key=True),
        *(sa.Column(name, sa.Text(), nullable=False) for name in texts),
    )
    op.create_index("records_id", "records", ["kind", "id"])
    op.create_index("records_run", "records", ["kind", "run_id", "id"], unique=True)


def _fill_latest() -> None:
    """Fill `latest` from the stored points, run by run, so that memory holds one run's points."""
    connection = op.get_bind()
    ids = connection.execute(sa.text("SELECT DISTINCT run_id FROM points")).all()
    for (run_id,) in ids:
        rows = connection.execute(
            sa.text(
                "SELECT name, attempt, value, t, step FROM points"
                " WHERE run_id = :run_id AND kind = 'scalar' ORDER BY id"
            ),
            {"run_id": run_id},
        )
        latest = _newest(rows)
        values = [{"run_id": run_id, "name": name, **row} for name, row in latest.items()]
        for start in range(0, len(values), _BATCH):
            connection.execute(
                sa.text(
                    "INSERT INTO latest (run_id, name, attempt, value, t, step)"
                    " VALUES (:run_id, :name, :attempt, :value, :t, :step)"
                ),
                values[start : start + _BATCH],
            )


def _newest(rows: Any) -> dict[str, dict[str, Any]]:
    """The newest number of each metric: highest attempt, step, time and value; NaN is NULL."""
    latest: dict[str, dict[str, Any]] = {}
    ranks: dict[str, tuple[int, int, float, float]] = {}
    for name, attempt, text, t, step in rows:
        number = _number(json.loads(text))
        if number is None:
            continue
        is_nan = math.isnan(number)
        rank = (attempt, step or 0, t or 0.0, _LOWEST if is_nan else number)
        if name not in ranks or rank >= ranks[name]:
            ranks[name] = rank
            latest[name] = {
                "attempt": attempt, "value": None if is_nan else number,
                "t": t or 0.0, "step": step or 0,
            }  # fmt: skip
    return latest


def _number(value: Any) -> float | None:
    if not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")
