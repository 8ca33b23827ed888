"""Sweeps.

The first revision makes whatever the code knows, so in a new database this one finds it done.
"""

from alembic import op

from dispatcher.store.rows import SweepRow

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    SweepRow.__table__.create(op.get_bind(), checkfirst=True)  # type: ignore[attr-defined]
