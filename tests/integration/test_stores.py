"""Memory, SQLite and PostgreSQL keep the same contract."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, text
from sqlmodel import SQLModel

from dispatcher.core.errors import StoreUnavailable
from dispatcher.core.lifecycle import CancelRequested, Placed, Started
from dispatcher.core.scheduling import Share
from dispatcher.store.environments_testing import EnvironmentContract
from dispatcher.store.labels_testing import LabelContract
from dispatcher.store.memory import MemoryStore
from dispatcher.store.records import Latest, Point, RunQuery
from dispatcher.store.search_testing import SearchContract
from dispatcher.store.sql import SqlStore
from dispatcher.store.telemetry_testing import TelemetryContract
from dispatcher.store.testing import StoreContract, add, change, ids, make


class Contract(
    StoreContract, TelemetryContract, SearchContract, LabelContract, EnvironmentContract
):
    """All that a store keeps."""


class TestMemory(Contract):
    @pytest.fixture
    def store(self) -> MemoryStore:
        return MemoryStore()


class TestSqlite(Contract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[SqlStore]:
        store = SqlStore(f"sqlite:///{tmp_path}/x.db")
        yield store
        store.close()


class TestPostgresql(Contract):
    @pytest.fixture
    def store(self, postgres: Any, request: pytest.FixtureRequest) -> Iterator[SqlStore]:
        store = SqlStore(postgres.url())
        yield store
        store.close()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_the_migrations_make_exactly_the_tables_of_the_code(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = f"sqlite:///{tmp_path}/x.db" if kind == "sqlite" else _fresh_url(request)
    SqlStore(url).close()
    engine = create_engine(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, SQLModel.metadata) == []
    engine.dispose()
    SqlStore(url).close()  # opening it again changes nothing


def test_a_database_of_the_first_release_is_migrated(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/x.db"
    SqlStore(url).close()
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE artifacts"))
        connection.execute(text("ALTER TABLE experiments DROP COLUMN archived_at"))
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    SqlStore(url).close()
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, SQLModel.metadata) == []
    engine.dispose()


def test_the_newest_numbers_of_an_earlier_releases_runs_are_worked_out(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/x.db"
    store = SqlStore(url)
    logged = [Point("r", 1, "m", "scalar", float(k), 1.0, k) for k in (1, 3, 2)]
    logged += [Point("r", 1, "text", "scalar", "x"), Point("s", 2, "n", "scalar", math.nan)]
    store.write(lambda tx: tx.telemetry.add_points(logged))
    store.close()
    engine = create_engine(url)
    with engine.begin() as connection:
        for table in ("latest", "params", "records"):
            connection.execute(text(f"DROP TABLE {table}"))
        connection.execute(text("UPDATE alembic_version SET version_num = '0002'"))
    engine.dispose()
    store = SqlStore(url)
    latest = store.read(lambda tx: tx.telemetry.latest({"r": 1, "s": 2}))
    store.close()
    assert latest["r"] == {"m": Latest(3.0, 1.0, 3)}
    assert math.isnan(latest["s"]["n"].value)


def test_the_runs_of_an_earlier_release_are_listed_by_their_start(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/x.db"
    store = SqlStore(url)
    a, b, _queued, d = add(store, *[make(name) for name in ("a", "b", "queued", "d")])
    placed = Placed((Share("n"),))
    moved = [change(a, placed, Started(30.0)), change(b, placed, Started(20.0))]
    store.write(lambda tx: tx.runs.save([*moved, change(d, CancelRequested(25.0))]))
    store.close()
    engine = create_engine(url)
    with engine.begin() as connection:
        for index in ("runs_newest", "runs_experiment_newest"):
            connection.execute(text(f"DROP INDEX {index}"))
        connection.execute(text("ALTER TABLE runs DROP COLUMN begun_at"))
        connection.execute(text("CREATE INDEX runs_experiment ON runs (experiment, seq)"))
        connection.execute(text("UPDATE alembic_version SET version_num = '0006'"))
    engine.dispose()
    store = SqlStore(url)
    found = store.read(lambda tx: tx.runs.query(RunQuery(experiment="e")))
    store.close()
    assert ids(found) == ["queued", "a", "d", "b"]


def test_a_database_of_a_newer_release_is_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/x.db"
    SqlStore(url).close()
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(StoreUnavailable, match="newer release"):
        SqlStore(url)


def _fresh_url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue("postgres").url())
