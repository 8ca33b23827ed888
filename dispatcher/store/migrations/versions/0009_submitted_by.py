"""A run names who submitted it; those that are there were submitted by the owner."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.add_column(
        "runs", sa.Column("submitted_by", sa.Text, nullable=False, server_default="owner")
    )
