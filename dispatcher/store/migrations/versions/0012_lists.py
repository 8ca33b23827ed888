"""Lists by status, type and target."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    for column in ("status", "target"):
        op.create_index(f"runs_{column}_newest", "runs", [column, "begun_at", "seq"])
    typed = sa.text("type IS NOT NULL")
    op.create_index(
        "runs_type_newest",
        "runs",
        ["type", "begun_at", "seq"],
        sqlite_where=typed,
        postgresql_where=typed,
    )
