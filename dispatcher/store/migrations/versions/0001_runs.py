"""The first schema: runs, events, labels, telemetry, registry."""

from alembic import op
from sqlmodel import SQLModel

from dispatcher.store import rows  # noqa: F401  (fills the metadata)

revision = "0001"
down_revision = None


def upgrade() -> None:
    SQLModel.metadata.create_all(op.get_bind(), checkfirst=True)
