"""Runs are found by the values of tags and properties, however long these are."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
_VALUE_START = "substr(value, 1, 200)"


def upgrade() -> None:
    for table in ("tags", "properties"):
        op.drop_index(f"{table}_key", table)
        op.create_index(f"{table}_value", table, ["key", sa.text(_VALUE_START), "run_id"])
