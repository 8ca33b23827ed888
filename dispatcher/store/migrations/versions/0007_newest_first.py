"""Runs are listed by their first start, the newest first."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column(
        "runs", sa.Column("begun_at", sa.Float, nullable=False, server_default=sa.text("1e18"))
    )
    # Earlier attempts are not looked up: a run is listed by its present attempt.
    op.execute(
        "UPDATE runs SET begun_at = coalesce(started_at, ended_at)"
        " WHERE coalesce(started_at, ended_at) IS NOT NULL"
    )
    op.drop_index("runs_experiment", "runs")
    op.create_index("runs_newest", "runs", ["begun_at", "seq"])
    op.create_index("runs_experiment_newest", "runs", ["experiment", "begun_at", "seq"])
