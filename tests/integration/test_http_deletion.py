"""Deleting runs over HTTP: what goes, what stays, and what is refused."""

import asyncio
import hashlib
import threading
import time
from typing import Any

import pytest
from fastapi.testclient import TestClient

from dispatcher.server.wiring import Application
from tests.integration.http_service import frame, job, line, spec, submit
from tests.rigs.waiting import until


def end(api: TestClient, *names: str) -> None:
    for name in names:
        assert api.post(f"/runs/{name}/events", json={"type": "complete"}).status_code == 200


def put_file(api: TestClient, run_id: str, name: str, content: bytes) -> str:
    digest = hashlib.sha256(content).hexdigest()
    part = f"/blobs/{digest}/parts?size={len(content)}&offset=0"
    assert api.put(part, content=content).status_code == 200
    entry = {"name": name, "sha256": digest, "size": len(content)}
    answer = api.post(f"/runs/{run_id}/artifacts", json={"artifacts": [entry]})
    assert answer.json() == {"missing": [], "registered": 1}
    return digest


def refused(answer: Any) -> str:
    assert answer.status_code == 409, answer.text
    return str(answer.json()["detail"])


def test_a_deleted_run_is_gone_with_all_below_it_and_every_call_says_so(api: TestClient) -> None:
    submit(api, spec("tree"))
    submit(api, spec("tree-a", parent_id="tree"))
    submit(api, spec("tree-b", parent_id="tree-a"))
    api.post("/spool", content=frame("tree", line("m", 1)))
    api.post("/spool", content=frame("tree", b"text", stream="log:a.txt"))
    put_file(api, "tree", "outputs/x", b"x")
    end(api, "tree-b", "tree-a", "tree")
    assert api.delete("/runs/tree").json() == {"deleted": 3}
    for path in ("", "/metrics", "/logs", "/logs/a.txt", "/artifacts", "/attempts", "/explain"):
        answer = api.get(f"/runs/tree{path}")
        assert answer.status_code == 404, path
        assert "run 'tree' was deleted at 20" in answer.json()["detail"], path
        assert "by user:" in answer.json()["detail"]
    assert "was deleted" in api.get("/runs/tree-b").json()["detail"]
    assert "was deleted" in api.delete("/runs/tree").json()["detail"]
    assert "was deleted" in api.patch("/runs/tree", json={"tags": {"a": "b"}}).json()["detail"]
    assert "was deleted" in api.post("/runs/wait", json={"ids": ["tree"]}).json()["detail"]
    mlflow = api.get("http://test/api/2.0/mlflow/runs/get", params={"run_id": "tree"})
    assert "was deleted" in mlflow.json()["message"]
    assert api.post("/spool", content=frame("tree", line("m", 2))).status_code == 403
    assert api.get("/runs/never").json()["detail"] == "no run 'never'"


def test_the_logs_of_a_deleted_run_are_gone_from_the_disk(
    api: TestClient, application: Application
) -> None:
    [folder] = [application.services.tracking._logs._root]
    before = {path for path in folder.rglob("*") if path.is_file()}
    submit(api, spec("wordy"))
    api.post("/spool", content=frame("wordy", b"text", stream="log:a.txt"))
    assert {path for path in folder.rglob("*") if path.is_file()} != before
    end(api, "wordy")
    api.delete("/runs/wordy")
    assert {path for path in folder.rglob("*") if path.is_file()} == before


def test_a_run_that_has_not_ended_is_not_deleted_and_the_error_says_how_to_end_it(
    api: TestClient,
) -> None:
    submit(api, spec("open"))
    text = refused(api.delete("/runs/open"))
    assert text.startswith("run 'open' is Running: cancel it first")
    assert "dispatcher run cancel open" in text
    assert api.get("/runs/open").status_code == 200


def test_a_run_with_a_child_that_has_not_ended_is_not_deleted(api: TestClient) -> None:
    submit(api, spec("parent"))
    submit(api, spec("child", parent_id="parent"))
    end(api, "parent")
    text = refused(api.delete("/runs/parent"))
    assert "1 of the runs below it have not ended, such as 'child', which is Running" in text
    end(api, "child")
    assert api.delete("/runs/parent").json() == {"deleted": 2}


def test_a_child_of_a_run_that_has_not_ended_is_not_deleted(api: TestClient) -> None:
    submit(api, spec("above"))
    submit(api, spec("below", parent_id="above"))
    end(api, "below")
    assert "while run 'above' above it is Running" in refused(api.delete("/runs/below"))
    end(api, "above")
    assert api.delete("/runs/below").json() == {"deleted": 1}
    assert api.get("/runs/above").json()["children"]["total"] == 0


def test_a_run_that_waits_in_a_queue_is_not_deleted_until_it_is_canceled(api: TestClient) -> None:
    submit(api, job("busy", command="sleep 100"))
    submit(api, job("queued"))
    assert "is Queued: cancel it first" in refused(api.delete("/runs/queued"))
    api.post("/runs/queued/cancel")
    assert api.delete("/runs/queued").json() == {"deleted": 1}
    api.post("/runs/busy/cancel")


def test_a_run_that_has_just_ended_is_deleted_once_its_target_has_released_it(
    api: TestClient,
) -> None:
    submit(api, job("brief"))
    assert api.get("/runs/brief?wait=30&ended=true").json()["status"] == "Completed"
    assert api.delete("/runs/brief").json() == {"deleted": 1}


def test_the_id_of_a_deleted_run_is_not_taken_again(api: TestClient) -> None:
    submit(api, spec("once"))
    end(api, "once")
    api.delete("/runs/once")
    again = api.post("/runs", json={"runs": [spec("once")]})
    assert refused(again) == "run 'once' was deleted: submit under another id"


def test_a_registered_model_keeps_its_files_when_its_run_is_deleted(api: TestClient) -> None:
    submit(api, spec("maker"))
    put_file(api, "maker", "outputs/model/weights", b"weights")
    put_file(api, "maker", "outputs/models", b"other")
    made = {"name": "kept", "path": "outputs/model"}
    assert api.post("/runs/maker/models", json=made).status_code == 200
    end(api, "maker")
    api.delete("/runs/maker")
    [model] = api.get("/models", params={"name": "kept"}).json()["models"]
    assert model["run_id"] == "maker"
    names = [each["name"] for each in api.get("/runs/maker/artifacts").json()["artifacts"]]
    assert names == ["outputs/model/weights"]
    assert api.get("/runs/maker/artifacts/outputs/model/weights").content == b"weights"
    assert api.get("/runs/maker/artifacts/outputs/models").status_code == 404


def test_a_deletion_that_is_repeated_with_its_key_is_answered_as_the_first(api: TestClient) -> None:
    submit(api, spec("keyed"))
    end(api, "keyed")
    for _ in range(2):
        answer = api.delete("/runs/keyed", headers={"Idempotency-Key": "delete-keyed"})
        assert (answer.status_code, answer.json()) == (200, {"deleted": 1})


def test_who_waits_for_a_change_of_a_run_is_told_at_once_that_it_was_deleted(
    api: TestClient,
) -> None:
    submit(api, spec("watched"))
    end(api, "watched")
    answers: list[Any] = []
    path = "/runs/watched?after=99&wait=30"
    waiter = threading.Thread(target=lambda: answers.append(api.get(path)))
    began = time.monotonic()
    waiter.start()
    waiters = api.app.state.services.waiters  # type: ignore[attr-defined]
    until(lambda: "watched" in waiters._waiting, "it waits")
    api.delete("/runs/watched")
    waiter.join(20)
    assert answers[0].status_code == 404
    assert "was deleted" in answers[0].json()["detail"]
    assert time.monotonic() < began + 25


def test_a_reader_of_the_runs_events_is_told_of_its_deletion(
    api: TestClient, application: Application
) -> None:
    submit(api, spec("streamed"))
    end(api, "streamed")
    after = application.store.read(lambda tx: tx.events.last())
    api.delete("/runs/streamed")

    async def first() -> bytes:
        async for chunk in application.services.events.read(after, run_id="streamed"):
            return chunk
        return b""

    assert b"event: run.Deleted\n" in asyncio.run(asyncio.wait_for(first(), 20))


def test_a_sweep_that_continues_from_another_keeps_it(api: TestClient) -> None:
    trial = {"id": "t", "experiment": "e", "command": "true", "target": "still"}
    sweep = {
        "experiment": "e",
        "trial": trial,
        "sampling": {"name": "RANDOM", "parameter_space": {"lr": ["uniform", [0, 1]]}},
        "primary_metric": {"name": "m", "goal": "maximize"},
        "max_total_runs": 1,
        "max_concurrent_runs": 1,
    }
    assert api.post("/sweeps", json={**sweep, "id": "one"}).status_code in (200, 201)
    api.post("/runs/one/cancel")
    _until_ended(api, "one")
    more = {**sweep, "id": "two", "resume_from": ["one"], "trial": {**trial, "command": "sleep 99"}}
    assert api.post("/sweeps", json=more).status_code in (200, 201)
    text = refused(api.delete("/runs/one"))
    assert text.startswith("sweep 'two' has not ended and continues from the trials of 'one'")
    api.post("/runs/two/cancel")
    _until_ended(api, "two")
    assert api.delete("/runs/one").status_code == 200


def _until_ended(api: TestClient, sweep: str) -> None:
    sweeps = api.app.state.services.sweeps  # type: ignore[attr-defined]
    until(lambda: sweeps.get(sweep).over, "the sweep has ended")
    assert api.get(f"/runs/{sweep}", params={"wait": 30, "ended": True}).json()["terminal"]


@pytest.mark.parametrize("name", ["x y", "..", "%00", "a" * 300])
def test_what_is_no_run_is_not_found(api: TestClient, name: str) -> None:
    assert api.delete(f"/runs/{name}").status_code in (404, 405)


def test_an_experiment_is_deleted_with_its_runs_only_when_that_is_asked_for(
    api: TestClient,
) -> None:
    submit(api, spec("x1", experiment="xs"), spec("x2", experiment="xs"))
    submit(api, spec("x3", experiment="xs", parent_id="x2"))
    end(api, "x1", "x3")
    assert "has runs, such as" in refused(api.delete("/experiments/xs"))
    whole = {"with_runs": True}
    assert "is Running: cancel it first" in refused(api.delete("/experiments/xs", params=whole))
    end(api, "x2")
    assert api.delete("/experiments/xs", params=whole).json() == {"complete": True}
    names = [each["name"] for each in api.get("/experiments").json()["experiments"]]
    assert "xs" not in names
    assert "was deleted" in api.get("/runs/x3").json()["detail"]
    assert api.delete("/experiments/xs", params=whole).status_code == 404


def test_an_experiment_of_many_runs_is_deleted_some_at_a_call(
    api: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dispatcher.server.routers.catalog.DELETED_AT_ONCE", 2)
    submit(api, *(spec(f"m{k}", experiment="many") for k in range(3)))
    end(api, *(f"m{k}" for k in range(3)))
    answers = [api.delete("/experiments/many?with_runs=true").json() for _ in range(2)]
    assert answers == [{"complete": False}, {"complete": True}]
