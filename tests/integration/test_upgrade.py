"""An installation of an earlier release, with live runs, goes on under this release."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text

from dispatcher.core.errors import StoreUnavailable
from dispatcher.core.runs.jobs import State
from dispatcher.store import migrations
from dispatcher.store.sql import SqlStore
from targets.agent_connection import AgentConnection, answers
from tests.integration.earlier_release import (
    CHILDREN,
    PARENT,
    REVISION,
    SNAPSHOT,
    sockets_of,
    unpack,
)
from tests.rigs import processes
from tests.rigs.service import COMMAND, Service
from tests.rigs.waiting import until

ALL = [PARENT, *CHILDREN]
LIVE = [f"{PARENT}-1", f"{CHILDREN[1]}-1"]  # jobs
BEGINNING = ["Submitted", "Placed", "Started"]
END = ["Exited", "Completed"]


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The database's address; nothing for SQLite."""
    return "" if request.param == "sqlite" else str(request.getfixturevalue("postgres").url())


@pytest.fixture
def service(tmp_path: Path, database_url: str) -> Iterator[Service]:
    """A service of this release, not started, on what the earlier release left."""
    no_key = {"DISPATCHER_SIGNING_KEY": ""}  # that release kept it in the database
    service = Service(tmp_path / "service", database_url, environment=no_key)
    unpack(service.data, database_url, sys.executable)
    yield service
    service.close()
    shutil.rmtree(sockets_of(service.data), ignore_errors=True)


@pytest.fixture
def agent(service: Service) -> Iterator[subprocess.Popen[bytes]]:
    """A node agent where the earlier release had its own; it runs the live jobs."""
    root, path = service.data / "nodes" / "local", sockets_of(service.data) / "local.agent"
    command = [sys.executable, "-m", "dispatcher.agent", "serve"]
    process = subprocess.Popen(
        [*command, "--root", str(root), "--socket", str(path)], start_new_session=True
    )
    until(lambda: answers(path), "the agent answers")
    jobs = [json.loads((root / "jobs" / name / "job.json").read_text()) for name in LIVE]
    settings = json.loads((root / "service.json").read_text())
    manifest = root / "snapshots" / f"{SNAPSHOT}.json"  # the earlier release kept none
    shutil.copy(service.data / "blobs" / SNAPSHOT[:2] / SNAPSHOT, manifest)
    connection = AgentConnection(path, lambda: None, settings, os.geteuid())
    connection.ask("submit", jobs=jobs)

    def live() -> bool:
        seen = connection.observe(LIVE)
        return all(seen[name].state is State.ALIVE for name in LIVE)

    until(live, "the live jobs run")
    connection.close()
    manifest.unlink()
    yield process
    process.kill()
    process.wait()


@pytest.mark.parametrize(
    ("database_url", "agent_goes_on"),
    [
        pytest.param("sqlite", False, id="sqlite, agent is gone"),
        pytest.param("sqlite", True, id="sqlite, agent goes on", marks=pytest.mark.slow),
        pytest.param("postgresql", False, id="postgresql, agent is gone", marks=pytest.mark.slow),
        pytest.param("postgresql", True, id="postgresql, agent goes on"),
    ],
    indirect=["database_url"],
)
def test_the_live_runs_of_an_earlier_release_go_on_and_end_well(
    service: Service, agent: subprocess.Popen[bytes], agent_goes_on: bool
) -> None:
    before = _processes(service)
    if not agent_goes_on:
        agent.kill()
        agent.wait()
    service.start()
    assert _statuses(service) == ["Running", "Completed", "Running", "Queued", "Queued"]
    until(lambda: service.transport.get("/diagnostics")["drives_runs"], "it drives the runs")
    assert _processes(service) == before  # nothing was started again

    (service.data / "nodes" / "local" / "jobs" / LIVE[1] / "go").touch()
    statuses = service.wait(ALL, 60)
    assert statuses == dict.fromkeys(ALL, "Completed"), service.log()[-3000:]

    assert _metric(service, PARENT, "ended") == [0, 1, 2, 3]
    assert [_metric(service, child, "step") for child in CHILDREN] == [list(range(10))] * 4
    steps = "".join(f"step {step}\n" for step in range(10))
    assert [_log(service, child) for child in CHILDREN] == [steps] * 4
    assert _log(service, PARENT) == "".join(f"{child} Completed\n" for child in CHILDREN)
    assert [service.view(run)["attempt"] for run in ALL] == [1] * 5
    assert [_history(service, child) for child in CHILDREN] == [[*BEGINNING, *END]] * 4
    parent = _history(service, PARENT)
    assert [event for event in parent if not event.startswith("Slot")] == [*BEGINNING, *END]
    assert parent.count("SlotLent") == 1  # before the upgrade
    assert service.view(PARENT)["tags"] == {"kept": "yes"}
    assert service.transport.get("/diagnostics")["parked_runs"] == []
    children = service.view(PARENT)["children"]
    assert children == {"total": 4, "failed": 0, "canceled": 0, "open": 0}


def test_the_earlier_release_refuses_the_database_of_this_one(
    service: Service, database_url: str, tmp_path: Path
) -> None:
    url = database_url or f"sqlite:///{service.data}/dispatcher.db"
    store = SqlStore(url)
    head = _only_value(url, "SELECT version_num FROM alembic_version")
    runs = store.read(lambda tx: tx.runs.get(ALL))
    store.close()
    assert head > REVISION

    earlier = tmp_path / "migrations"
    (earlier / "versions").mkdir(parents=True)
    here = Path(migrations.__file__).parent / "versions"
    for file in here.glob("0*.py"):
        if file.name[:4] <= REVISION:  # what that release knew
            shutil.copy(file, earlier / "versions")
    engine = create_engine(url)
    with (
        engine.connect() as connection,
        pytest.raises(StoreUnavailable) as refused,
    ):
        migrations._upgrade(connection, ScriptDirectory(str(earlier)), REVISION)
    engine.dispose()
    assert str(refused.value).startswith(
        f"the database is of a newer release (schema {head}; this release knows {REVISION}): "
        "upgrade dispatcher"
    )
    store = SqlStore(url)  # as it was
    assert store.read(lambda tx: tx.runs.get(ALL)) == runs
    store.close()


def test_a_service_ends_at_the_database_of_a_newer_release_and_says_why(
    service: Service, database_url: str
) -> None:
    url = database_url or f"sqlite:///{service.data}/dispatcher.db"
    SqlStore(url).close()
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    done = subprocess.run(
        [sys.executable, *COMMAND, str(service.data)],
        env={**os.environ, "DISPATCHER_DATABASE_URL": database_url},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith(
        "error: the database is of a newer release (schema 9999; this release knows "
    )
    assert _only_value(url, "SELECT version_num FROM alembic_version") == "9999"


def _only_value(url: str, query: str) -> Any:
    engine = create_engine(url)
    with engine.connect() as connection:
        value = connection.execute(text(query)).scalar_one()
    engine.dispose()
    return value


def _processes(service: Service) -> dict[str, Any]:
    """The process and the start of each live job, as its shim wrote them down."""
    folder = service.data / "nodes" / "local" / "jobs"
    states = {name: json.loads((folder / name / "lock").read_text()) for name in LIVE}
    assert all(processes.alive(state["pid"]) for state in states.values())
    return {name: (state["pid"], state["start_ticks"]) for name, state in states.items()}


def _statuses(service: Service) -> list[str]:
    return [service.view(run)["status"] for run in ALL]


def _metric(service: Service, run: str, name: str) -> list[Any]:
    points = service.transport.get(f"/runs/{run}/metrics")["runs"][run]
    return [point["v"] for point in points if point["n"] == name]


def _log(service: Service, run: str) -> str:
    path = f"/runs/{run}/logs/user_logs/std_log.txt"
    return service.transport.send("GET", path).body.decode()


def _history(service: Service, run: str) -> list[str]:
    events = service.transport.get(f"/runs/{run}/attempts")["events"]
    return [event["type"] for event in events if event["type"] != "Released"]
