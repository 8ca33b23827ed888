"""Files of runs; experiments can be archived."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    byte_order = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    op.create_table(
        "artifacts",
        sa.Column("run_id", sa.Text(), primary_key=True),
        sa.Column("name", byte_order, primary_key=True),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
    )
    op.add_column("experiments", sa.Column("archived_at", sa.Float(), nullable=True))
