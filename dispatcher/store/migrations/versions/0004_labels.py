"""Runs are found by the values of tags and properties, however long these are.

The first revision makes whatever the code knows, so in a new database this one finds it done.
"""

import sqlalchemy as sa
from alembic import op

from dispatcher.store.rows import VALUE_START

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    for table in ("tags", "properties"):
        op.drop_index(f"{table}_key", table, if_exists=True)
        op.create_index(
            f"{table}_value", table, ["key", sa.text(VALUE_START), "run_id"], if_not_exists=True
        )
