"""The first schema: runs, events, labels, telemetry, registry."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    _create_runs()
    _create_telemetry()
    _create_registry()


def _text(name: str, *, key: bool = False, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), primary_key=key, nullable=nullable)


def _create_runs() -> None:
    byte_order = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    op.create_table(
        "runs",
        sa.Column("seq", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("id", sa.Text(), unique=True, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        _text("experiment"),
        _text("parent_id", nullable=True),
        sa.Column("path", byte_order, nullable=False),
        _text("key", nullable=True),
        _text("type", nullable=True),
        _text("target"),
        sa.Column("rank", sa.Integer(), nullable=False),
        _text("status"),
        _text("bucket"),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("started_at", sa.Float()),
        sa.Column("ended_at", sa.Float()),
        _text("display_name", nullable=True),
        _text("description", nullable=True),
        _text("child_policy"),
        _text("spec"),
        _text("state"),
    )
    op.create_index("runs_bucket", "runs", ["bucket", "target", "rank", "seq"])
    op.create_index("runs_experiment", "runs", ["experiment", "seq"])
    op.create_index("runs_parent", "runs", ["parent_id", "status"])
    op.create_index("runs_path", "runs", ["path"])
    op.create_index("runs_key", "runs", ["parent_id", "key"], unique=True)
    op.create_table(
        "events",
        _text("run_id", key=True),
        sa.Column("version", sa.Integer(), primary_key=True),
        sa.Column("attempt", sa.Integer(), nullable=False),
        _text("type"),
        sa.Column("at", sa.Float(), nullable=False),
        _text("data"),
    )
    for table, indexed in (("tags", ["key", "value", "run_id"]), ("properties", ["key", "run_id"])):
        op.create_table(
            table,
            _text("run_id", key=True),
            _text("key", key=True),
            _text("value", nullable=True),
        )
        op.create_index(f"{table}_key", table, indexed)


def _create_telemetry() -> None:
    serial = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "points",
        sa.Column("id", serial, primary_key=True),
        _text("run_id"),
        sa.Column("attempt", sa.Integer(), nullable=False),
        _text("name"),
        _text("kind"),
        _text("value"),
        sa.Column("t", sa.Float()),
        sa.Column("step", sa.BigInteger()),
        _text("description"),
    )
    op.create_index("points_run", "points", ["run_id", "name", "id"])
    op.create_table(
        "streams",
        _text("run_id", key=True),
        sa.Column("attempt", sa.Integer(), primary_key=True),
        _text("stream", key=True),
        sa.Column("size", sa.BigInteger(), nullable=False),
    )


def _create_registry() -> None:
    op.create_table(
        "experiments",
        _text("id", key=True),
        sa.Column("name", sa.Text(), unique=True, nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        _text("tags"),
    )
    op.create_table("targets", _text("name", key=True), _text("config"))
    op.create_table(
        "answers",
        _text("key", key=True),
        _text("digest"),
        _text("answer"),
        sa.Column("at", sa.Float(), nullable=False),
    )
    op.create_table(
        "counters", _text("name", key=True), sa.Column("value", sa.BigInteger(), nullable=False)
    )
    op.create_table("meta", _text("key", key=True), _text("value"))
    op.create_table(
        "leases",
        _text("name", key=True),
        _text("holder"),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("expires", sa.Float(), nullable=False),
    )
