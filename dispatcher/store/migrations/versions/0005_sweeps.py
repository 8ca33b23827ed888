"""Sweeps."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "sweeps",
        sa.Column("run_id", sa.Text(), primary_key=True),
        sa.Column("spec", sa.Text(), nullable=False),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("retries", sa.Integer(), nullable=False),
        sa.Column("over", sa.Boolean(), nullable=False),
    )
    op.create_index("sweeps_over", "sweeps", ["over"])
