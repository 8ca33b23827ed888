"""Old databases are migrated, on SQLite and PostgreSQL; databases of newer releases are refused."""

import json
import math
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, create_engine, text

from dispatcher.core.errors import StoreUnavailable
from dispatcher.store.metrics.contract import Latest
from dispatcher.store.migrations import migrate
from dispatcher.store.runs.contract import RunQuery
from dispatcher.store.runs.testing import ids, make
from dispatcher.store.sql import SqlStore
from dispatcher.store.tables import METADATA


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Any) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/x.db"
    return str(request.getfixturevalue("postgres").url())


def database_at(url: str, revision: str, rows: dict[str, list[dict[str, Any]]]) -> None:
    """Make a database as the release of that revision left it."""
    engine = create_engine(url)
    migrate(engine, to=revision)
    with engine.begin() as connection:
        for table, values in rows.items():
            for row in values:
                names = ", ".join(row)
                marks = ", ".join(f":{name}" for name in row)
                connection.execute(text(f"INSERT INTO {table} ({names}) VALUES ({marks})"), row)
    engine.dispose()


def old_run(seq: int, name: str, **fields: Any) -> dict[str, Any]:
    """A row of `runs` as releases up to revision 0006 wrote it."""
    spec = make(name).spec.model_dump_json(exclude_defaults=True)
    state = json.dumps({"released": False})
    return {
        "seq": seq, "id": name, "number": seq, "experiment": "e", "path": f"/{name}/",
        "target": "local", "rank": 0, "status": "Queued", "bucket": "queued", "version": 1,
        "attempt": 1, "created_at": 1.0, "started_at": None, "ended_at": None,
        "child_policy": "ignore", "spec": spec, "state": state, **fields,
    }  # fmt: skip


def differences(url: str) -> Any:
    engine: Engine = create_engine(url)
    with engine.connect() as connection:
        found = compare_metadata(MigrationContext.configure(connection), METADATA)
    engine.dispose()
    return found


def test_the_migrations_make_exactly_the_tables_of_the_code(url: str) -> None:
    SqlStore(url).close()
    assert differences(url) == []
    SqlStore(url).close()  # opening it again changes nothing


@pytest.mark.parametrize("revision", [f"{k:04}" for k in range(1, 13)])
def test_a_database_of_each_earlier_release_is_migrated(url: str, revision: str) -> None:
    experiment = {"id": "i", "name": "e", "created_at": 1.0, "tags": "{}"}
    database_at(url, revision, {"experiments": [experiment]})
    store = SqlStore(url)
    assert [each.name for each in store.read(lambda tx: tx.registry.experiments())] == ["e"]
    store.close()
    assert differences(url) == []


def test_the_latest_numbers_of_an_earlier_releases_runs_are_computed(url: str) -> None:
    def point(run_id: str, attempt: int, name: str, value: Any, step: int | None) -> dict[str, Any]:
        return {
            "run_id": run_id, "attempt": attempt, "name": name, "kind": "scalar", "t": 1.0,
            "value": json.dumps(value), "step": step, "description": "",
        }  # fmt: skip

    points = [point("r", 1, "m", float(k), k) for k in (1, 3, 2)]
    points += [point("r", 1, "text", "x", None), point("s", 2, "n", math.nan, None)]
    database_at(url, "0002", {"points": points})
    store = SqlStore(url)
    latest = store.read(lambda tx: tx.metrics.latest({"r": 1, "s": 2}))
    store.close()
    assert latest["r"] == {"m": Latest(3.0, 1.0, 3)}
    assert math.isnan(latest["s"]["n"].value)


def test_the_runs_of_an_earlier_release_are_listed_by_their_start(url: str) -> None:
    runs = [
        old_run(1, "a", started_at=30.0, status="Running", bucket="open"),
        old_run(2, "b", started_at=20.0, status="Running", bucket="open"),
        old_run(3, "queued"),
        old_run(4, "d", ended_at=25.0, status="Canceled", bucket="done"),
    ]
    database_at(url, "0006", {"runs": runs})
    store = SqlStore(url)
    listed = store.read(lambda tx: tx.runs.query(RunQuery(experiment="e")))
    store.close()
    assert ids(listed) == ["queued", "a", "d", "b"]


def test_the_histories_of_an_earlier_releases_runs_become_one_log(url: str) -> None:
    def event(run_id: str, version: int, name: str, at: float) -> dict[str, Any]:
        data = json.dumps({"started_at": at} if name == "Started" else {})
        row = {"run_id": run_id, "version": version, "attempt": 1, "type": name}
        return {**row, "at": at, "data": data}

    history = [
        event("a", 1, "Submitted", 1.0), event("a", 2, "Placed", 3.0),
        event("a", 3, "Started", 4.0), event("b", 1, "Submitted", 2.0),
    ]  # fmt: skip
    experiment = {"name": "e", "id": "i", "created_at": 1.0, "tags": "{}"}
    database_at(url, "0007", {"events": history, "experiments": [experiment]})
    store = SqlStore(url)
    store.write(lambda tx: tx.runs.add([make("c")]))
    events = store.read(lambda tx: tx.events.after(0, 10))
    assert [(e.id, e.kind, e.run_id, e.version) for e in events] == [
        (1, "run.Submitted", "a", 1), (2, "run.Submitted", "b", 1), (3, "run.Placed", "a", 2),
        (4, "run.Started", "a", 3), (5, "run.Submitted", "c", 1),
    ]  # fmt: skip
    assert store.read(lambda tx: tx.events.of_run("a"))[2].data == {"started_at": 4.0}
    store.close()


def test_a_database_of_a_newer_release_is_refused(url: str) -> None:
    SqlStore(url).close()
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(StoreUnavailable, match="newer release"):
        SqlStore(url)
