"""What the service says is wrong with it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import create_engine, text

from dispatcher.core.errors import StoreUnavailable
from dispatcher.server.app import create_app
from dispatcher.server.settings import Settings
from dispatcher.server.wiring import Application, build
from tests.integration.http_service import MIB, OWNER, job, submit


def test_a_run_whose_row_cannot_be_read_is_named_with_the_reason_and_the_others_go_on(
    tmp_path: Path,
) -> None:
    settings = Settings(data_dir=tmp_path)
    with served(settings) as api:
        api.put("/targets/off", json={"kind": "local", "cpus": 1, "memory_mb": 6})
        busy = job("busy", command="sleep 600", memory_mb=6, target="off")
        submit(api, busy, *[job(n, memory_mb=6, target="off") for n in ("unreadable", "other")])
    engine = create_engine(settings.store_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE runs SET spec = '{' WHERE id = 'unreadable'"))
    engine.dispose()
    with served(settings) as api:
        deadline = time.monotonic() + 20
        while not (parked := api.get("/diagnostics").json()["parked_runs"]):
            assert time.monotonic() < deadline, "the run is not parked"
            time.sleep(0.05)
        assert [each["run"] for each in parked] == ["unreadable"]
        assert "cannot be read" in parked[0]["reason"]
        api.post("/runs/busy/cancel")
        answer = api.post("/runs/wait", json={"ids": ["busy", "other"], "wait": 30}).json()
        assert answer["statuses"] == {"busy": "Canceled", "other": "Completed"}


@contextmanager
def served(settings: Settings) -> Iterator[TestClient]:
    application = build(settings, "http://127.0.0.1:1", OWNER)
    app = create_app(application.services, max_body=4 * MIB)
    with TestClient(app, base_url="http://test/api/v1") as api:
        api.headers["Authorization"] = f"Bearer {OWNER}"
        yield api
    application.close()


def test_health_is_bad_while_the_store_takes_no_writes(
    api: TestClient, application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert api.get("/health").json()["ok"] is True

    def broken() -> None:
        raise StoreUnavailable("the store's writer has ended: restart the service")

    monkeypatch.setattr(application.store._writer, "check", broken)
    assert api.get("/health").status_code == 503
    assert "writer has ended" in api.get("/diagnostics").json()["store"]
