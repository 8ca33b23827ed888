"""What the service says is wrong with it."""

import time

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from dispatcher.core.errors import StoreUnavailable
from dispatcher.server.wiring import Application
from tests.integration.http_service import job, submit


def test_a_run_whose_row_cannot_be_read_is_named_with_the_reason(
    api: TestClient, application: Application
) -> None:
    submit(api, job("busy", command="sleep 600", memory_mb=6))
    submit(api, job("unreadable", memory_mb=6), job("other", memory_mb=6))
    with application.store._engine.begin() as connection:
        connection.execute(text("UPDATE runs SET spec = '{' WHERE id = 'unreadable'"))
    deadline = time.monotonic() + 20
    while not (parked := api.get("/diagnostics").json()["parked_runs"]):
        assert time.monotonic() < deadline, "the run is not parked"
        time.sleep(0.05)
    assert [each["run"] for each in parked] == ["unreadable"]
    assert "cannot be read" in parked[0]["reason"]
    answer = api.get("/diagnostics").json()
    assert (answer["store"], answer["drives_runs"]) == (None, True)
    assert api.get("/runs/other").json()["status"] == "Queued"
    api.post("/runs/busy/cancel")
    answer = api.post("/runs/wait", json={"ids": ["other"], "wait": 20}).json()
    assert answer["statuses"] == {"other": "Completed"}


def test_health_is_bad_while_the_store_takes_no_writes(
    api: TestClient, application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert api.get("/health").json()["ok"] is True

    def broken() -> None:
        raise StoreUnavailable("the store's writer has ended: restart the service")

    monkeypatch.setattr(application.store._writer, "check", broken)
    assert api.get("/health").status_code == 503
    assert "writer has ended" in api.get("/diagnostics").json()["store"]
