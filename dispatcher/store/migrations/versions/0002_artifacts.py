"""Files of runs; experiments can be archived.

The first revision makes whatever the code knows, so in a new database this one finds it done.
"""

import sqlalchemy as sa
from alembic import op

from dispatcher.store.rows import ArtifactRow

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    connection = op.get_bind()
    ArtifactRow.__table__.create(connection, checkfirst=True)  # type: ignore[attr-defined]
    known = {column["name"] for column in sa.inspect(connection).get_columns("experiments")}
    if "archived_at" not in known:
        op.add_column("experiments", sa.Column("archived_at", sa.Float(), nullable=True))
