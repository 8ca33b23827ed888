"""What a script asks in its first moments, when its node has not told yet that it runs.

The application has no engine, so nothing moves unless a test says so.
"""

import threading
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from dispatcher.core.runs.lifecycle import Placed, Slot, Started, Status
from dispatcher.core.scheduling.plan import Share
from dispatcher.server.settings import Settings
from dispatcher.server.wiring import Application, build
from tests.integration.http_service import OWNER, job, spec, submit


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    settings = Settings(data_dir=tmp_path_factory.mktemp("application"))
    application = build(settings, "http://127.0.0.1:1", OWNER)
    application.engine.stop()
    application.services.catalog.attach("still", {"kind": "local", "cpus": 1, "memory_mb": 6})
    yield application
    application.close()


def _placed(api: TestClient, application: Application, name: str) -> dict[str, dict[str, str]]:
    """A run whose start is not told yet, with a child; what its script's requests carry."""
    submit(api, job(name))
    submit(api, spec(f"{name}-child", parent_id=name))
    application.services.status.record(name, Placed((Share("still"),)))
    token = application.services.access.run_token(name, 1)
    return {"headers": {"Authorization": f"Bearer {token}"}}


def test_a_run_that_asks_for_itself_runs_although_its_start_is_not_told_yet(
    api: TestClient, application: Application
) -> None:
    script = _placed(api, application, "asks")
    assert api.get("/runs/asks", **script).json()["status"] == "Running"
    listed = api.get("/runs", **script).json()["runs"]
    assert {run["id"]: run["status"] for run in listed}["asks"] == "Running"
    assert api.get("/runs/asks").json()["status"] == "Provisioning"
    told = {"type": "fail", "error": {"code": "Early"}, "set_status": False}
    assert api.post("/runs/asks/events", json=told, **script).status_code == 200
    assert api.get("/runs/asks").json()["error"] == {"error": {"code": "Early"}}


def test_a_run_that_waits_before_its_start_is_told_lends_its_slot(
    api: TestClient, application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dispatcher.server.routers.runs.START_REPORT_SECONDS", 0.01)
    script = _placed(api, application, "early")
    assert api.post("/runs/early/park", json={"waits_for": ["early-child"]}).status_code == 200
    assert (
        application.services.status.get("early").status is Status.PROVISIONING
    )  # not its own word
    parked = api.post("/runs/early/park", json={"waits_for": ["early-child"]}, **script)
    assert (parked.status_code, parked.json()["parked"]) == (200, True)
    run = application.services.status.get("early")
    assert (run.status, run.slot) == (Status.RUNNING, Slot.LENT)


def test_the_start_of_a_run_that_waits_early_is_when_its_node_says(
    api: TestClient, application: Application
) -> None:
    script = _placed(api, application, "told")
    node = threading.Timer(0.2, application.services.status.record, ("told", Started(7.0)))
    node.start()
    assert api.post("/runs/told/park", json={"waits_for": ["told-child"]}, **script).json()[
        "parked"
    ]
    run = application.services.status.get("told")
    assert (run.started_at, run.slot) == (7.0, Slot.LENT)
