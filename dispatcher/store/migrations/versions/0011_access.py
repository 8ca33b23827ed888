"""Tokens of users, claims of idempotency keys, who registered an environment, snapshots of runs."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.create_table(
        "tokens",
        *(
            sa.Column(name, sa.Text(), nullable=False, primary_key=name == "id")
            for name in ("id", "sha256", "kind", "name", "role", "created_by")
        ),
        sa.Column("created_at", sa.Float(), nullable=False),
        *(sa.Column(name, sa.Float()) for name in ("expires_at", "revoked_at", "last_used_at")),
    )
    op.create_index("tokens_sha256", "tokens", ["sha256"], unique=True)
    op.add_column("answers", sa.Column("holder", sa.Text(), nullable=False, server_default=""))
    op.create_index("answers_at", "answers", ["at"])
    for name in ("registered_by", "submitter"):
        default = "user:owner" if name == "registered_by" else "owner"
        op.add_column(
            "environments", sa.Column(name, sa.Text(), nullable=False, server_default=default)
        )
    op.add_column(
        "environments",
        sa.Column("moves_latest", sa.Boolean(), nullable=False, server_default=sa.true()),
    )
    op.add_column("runs", sa.Column("snapshot", sa.Text()))
    op.add_column("runs", sa.Column("build_context", sa.Text()))
    postgresql = op.get_bind().dialect.name == "postgresql"
    snapshot = "spec::json ->> 'snapshot'" if postgresql else "json_extract(spec, '$.snapshot')"
    context = (
        "spec::json -> 'environment' ->> 'context'"
        if postgresql
        else "json_extract(spec, '$.environment.context')"
    )
    op.execute(f"UPDATE runs SET snapshot = {snapshot}, build_context = {context}")
    op.create_index("runs_snapshot", "runs", ["snapshot", "target"])
    op.create_index("runs_build_context", "runs", ["build_context", "target"])
