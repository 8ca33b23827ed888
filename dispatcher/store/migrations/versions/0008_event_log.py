"""One ordered log of events, in place of a history beside each run."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.rename_table("events", "run_history")
    op.create_table(
        "events",
        sa.Column("id", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("at", sa.Float(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("actor", "kind", "subject")),
        sa.Column("run_id", sa.Text()),
        sa.Column("version", sa.Integer()),
        sa.Column("attempt", sa.Integer()),
        sa.Column("data", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="events_id"),
    )
    op.execute(
        "INSERT INTO events (id, at, actor, kind, subject, run_id, version, attempt, data)"
        " SELECT row_number() OVER (ORDER BY at, run_id, version), at, 'service',"
        " 'run.' || type, run_id, run_id, version, attempt, data FROM run_history"
    )
    op.execute("DELETE FROM counters WHERE name = 'events'")
    op.execute("INSERT INTO counters (name, value) SELECT 'events', count(*) FROM events")
    op.drop_table("run_history")
    op.create_index("events_run", "events", ["run_id", "id"])
