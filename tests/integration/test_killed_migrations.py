"""A service killed at any statement of a migration has not begun it, and the next one makes it."""

import os
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, event, text

from dispatcher.store import migrations
from dispatcher.store.sql import SqlStore
from dispatcher.store.tables import METADATA

KILLED = 9


@pytest.fixture(params=["sqlite", "postgresql"])
def url(tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """A database of the first release, with something in it."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/x.db"
    else:
        url = str(request.getfixturevalue("postgres").url())
    engine = create_engine(url)
    script = ScriptDirectory(str(Path(migrations.__file__).parent))
    with engine.connect() as connection:
        migrations._upgrade(connection, script, "0001")
        connection.execute(
            text("INSERT INTO experiments (id, name, created_at, tags) VALUES ('i', 'e', 1, '{}')")
        )
        connection.commit()
    engine.dispose()
    return url


def test_a_service_killed_at_any_statement_of_a_migration_has_not_begun_it(url: str) -> None:
    statements = 0
    while _dies_at(url, statements):
        assert _revision(url) == "0001"
        statements += 1
    assert statements > 20
    engine = create_engine(url)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
    engine.dispose()
    store = SqlStore(url)
    assert [one.name for one in store.read(lambda tx: tx.registry.experiments())] == ["e"]
    store.close()


def _dies_at(url: str, statement: int) -> bool:
    """Migrate in a process that is killed before that statement; whether it came so far."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            engine = create_engine(url)
            _kill_before(engine, statement)
            migrations.migrate(engine)
            code = 0
        finally:
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert code in (0, KILLED)
    return code == KILLED


def _kill_before(engine: Engine, statement: int) -> None:
    left = statement

    def count(*_: Any) -> None:
        nonlocal left
        if left == 0:
            os._exit(KILLED)
        left -= 1

    event.listen(engine, "before_cursor_execute", count)
    event.listen(engine, "commit", count)


def _revision(url: str) -> str | None:
    engine = create_engine(url)
    with engine.connect() as connection:
        found = migrations._revision(connection)
    engine.dispose()
    return found
