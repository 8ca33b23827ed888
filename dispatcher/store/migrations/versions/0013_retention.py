"""Deleted runs; artifacts are found by their content."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.create_table(
        "deleted_runs",
        sa.Column("run_id", sa.Text(), primary_key=True),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("purge_due", sa.Float()),
    )
    op.create_index("deleted_runs_due", "deleted_runs", ["purge_due"])
    op.create_index("artifacts_sha256", "artifacts", ["sha256"])
    # Runs that ended, by when: the oldest are looked for, at the top of their trees.
    op.create_index("runs_ended", "runs", ["bucket", "ended_at", "seq"])
