"""Environments under a name and a version.

The first revision makes whatever the code knows, so in a new database this one finds it done.
"""

from alembic import op

from dispatcher.store.rows import EnvironmentRow

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    EnvironmentRow.__table__.create(op.get_bind(), checkfirst=True)  # type: ignore[attr-defined]
