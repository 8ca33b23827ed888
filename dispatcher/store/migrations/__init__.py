"""Schema migrations (Alembic), run when a store is opened. One file a revision in `versions/`.

Each revision is frozen: it names its own tables and columns and imports nothing of the code, so it
does the same in every release. A revision runs in one transaction on both databases, so a service
killed in the middle of one leaves the schema as it was.
"""

from pathlib import Path

from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, inspect, text

from dispatcher.core.errors import StoreUnavailable

_LOCK = 7_311_019  # pg_advisory_xact_lock: two services opening one database migrate it once


def migrate(engine: Engine, to: str = "head") -> None:
    """Bring the schema to a revision, by default the newest.

    Raises:
        StoreUnavailable: The database is of a newer release: it is never downgraded.
    """
    script = ScriptDirectory(str(Path(__file__).parent))
    head = (script.get_current_head() or "") if to == "head" else to
    with engine.connect() as connection:
        if _revision(connection) == head:
            return
    with engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
        _upgrade(connection, script, head)
        connection.commit()


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _upgrade(connection: Connection, script: ScriptDirectory, head: str) -> None:
    current = _revision(connection)
    known = {revision.revision for revision in script.walk_revisions()}
    if current is not None and current not in known:
        raise StoreUnavailable(
            f"the database is of a newer release (schema {current}; this release knows {head}): "
            "upgrade dispatcher. A database is never downgraded: to go back, restore the backup "
            "that was made before the upgrade"
        )
    context = MigrationContext.configure(connection, opts={"transactional_ddl": True})
    context._ensure_version_table()
    with Operations.context(context):
        for revision in reversed(list(script.iterate_revisions(head, current or "base"))):
            revision.module.upgrade()
    connection.execute(text("DELETE FROM alembic_version"))
    connection.execute(text("INSERT INTO alembic_version VALUES (:head)"), {"head": head})
