"""Runs are listed by their first start, the newest first.

The first revision makes whatever the code knows, so in a new database this one finds it done.
"""

import sqlalchemy as sa
from alembic import op

from dispatcher.store.rows import RunRow

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    runs = RunRow.__table__  # type: ignore[attr-defined]
    columns = {column["name"] for column in sa.inspect(op.get_bind()).get_columns("runs")}
    if "begun_at" not in columns:
        op.add_column(
            "runs", sa.Column("begun_at", sa.Float, nullable=False, server_default=sa.text("1e18"))
        )
        # An attempt before the present one is not looked up: its run is listed by the present one.
        begun = sa.func.coalesce(runs.c.started_at, runs.c.ended_at)
        op.execute(runs.update().where(begun.is_not(None)).values(begun_at=begun))
    op.drop_index("runs_experiment", "runs", if_exists=True)
    op.create_index("runs_newest", "runs", ["begun_at", "seq"], if_not_exists=True)
    op.create_index(
        "runs_experiment_newest", "runs", ["experiment", "begun_at", "seq"], if_not_exists=True
    )
