"""Owed runs are read page by page."""

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.create_index("runs_bucket_seq", "runs", ["bucket", "seq"])
