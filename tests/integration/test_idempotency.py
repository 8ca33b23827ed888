"""A call that is repeated with its `Idempotency-Key` is carried out once, whatever happens."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from dispatcher.server import idempotency
from dispatcher.server.app import create_app
from dispatcher.server.guard import require_declared
from dispatcher.server.settings import Settings
from dispatcher.server.wiring import Application, build
from dispatcher.store.idempotency.contract import KeyedCall
from tests.integration.http_service import MIB, OWNER, spec, submit

HEADERS = {"Authorization": f"Bearer {OWNER}"}


def client(application: Application) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(create_app(application.services, max_body=MIB))
    return httpx.AsyncClient(
        transport=transport, base_url="http://test/api/v1", headers=HEADERS, timeout=30
    )


def prepare(application: Application, run: str) -> None:
    """A run with a file that models can be registered of."""
    with TestClient(create_app(application.services, max_body=MIB), headers=HEADERS) as api:
        api.base_url = httpx.URL("http://test/api/v1")
        submit(api, spec(run))
        path = f"http://test/api/2.0/mlflow-artifacts/artifacts/0/{run}/artifacts/m"
        assert api.put(path, content=b"x").status_code == 200


def register(api: httpx.AsyncClient, run: str, key: str) -> Any:
    body = {"name": f"model-of-{run}", "path": "m"}
    return api.post(f"/runs/{run}/models", json=body, headers={"Idempotency-Key": key})


def versions(application: Application, run: str) -> list[int]:
    return [model["version"] for model in application.services.models.find(f"model-of-{run}")]


@pytest.fixture(scope="module", params=["one process", "two replicas"])
def applications(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[Application]]:
    """The service, or two services on one PostgreSQL."""
    folder = tmp_path_factory.mktemp("applications")
    if request.param == "one process":
        made = [build(Settings(data_dir=folder / "a"), "http://127.0.0.1:1", OWNER)] * 2
    else:
        url = request.getfixturevalue("postgres_url")
        made = [
            build(
                Settings(data_dir=folder / name, database_url=url, signing_key="k" * 32),
                "http://127.0.0.1:1",
                OWNER,
            )
            for name in ("a", "b")
        ]
    yield made
    for application in {id(application): application for application in made}.values():
        application.close()


@pytest.fixture(scope="module")
def postgres_url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue("postgres").url())


def test_of_two_calls_with_one_key_under_way_at_once_one_is_carried_out(
    applications: list[Application],
) -> None:
    prepare(applications[0], "raced")

    async def race() -> list[Any]:
        async with client(applications[0]) as one, client(applications[1]) as two:
            calls = [register(api, "raced", f"key{k}") for k in range(10) for api in (one, two)]
            return await asyncio.gather(*calls)

    answers = asyncio.run(race())
    assert {answer.status_code for answer in answers} == {200}
    assert sorted(versions(applications[0], "raced")) == list(range(1, 11))
    pairs = [answers[k : k + 2] for k in range(0, 20, 2)]
    assert all(one.json() == two.json() for one, two in pairs)


@pytest.fixture
def application(tmp_path: Path) -> Iterator[Application]:
    application = build(Settings(data_dir=tmp_path), "http://127.0.0.1:1", OWNER)
    yield application
    application.close()


def test_a_second_call_waits_for_the_first_ones_answer(
    application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(application, "slow")
    begun, go_on = threading.Event(), threading.Event()
    register_model = application.services.models.register

    def slow(*arguments: Any) -> Any:
        answer = register_model(*arguments)
        begun.set()
        assert go_on.wait(20)
        return answer

    monkeypatch.setattr(application.services.models, "register", slow)

    async def both() -> list[Any]:
        async with client(application) as api:
            first = asyncio.create_task(register(api, "slow", "k"))
            await asyncio.to_thread(begun.wait, 20)
            second = asyncio.create_task(register(api, "slow", "k"))
            await asyncio.sleep(0)
            go_on.set()
            return [await first, await second]

    one, two = asyncio.run(both())
    assert one.json() == two.json()
    assert versions(application, "slow") == [1]


def lose_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the service were killed after each change, before its answer is recorded."""
    monkeypatch.setattr(idempotency.Idempotency, "_record", lambda *_arguments: None)


def test_a_call_whose_answer_was_lost_in_a_crash_is_not_done_twice(
    application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(application, "lost")

    async def call() -> Any:
        async with client(application) as api:
            return await register(api, "lost", "k")

    with monkeypatch.context() as crash:
        lose_answers(crash)
        asyncio.run(call())
    repeated = asyncio.run(call())
    assert repeated.status_code == 409
    assert "answer was lost" in repeated.json()["detail"]
    assert versions(application, "lost") == [1]


def test_a_call_without_a_further_effect_is_answered_again_after_a_crash(
    application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(application, "tagged")

    async def tag() -> Any:
        async with client(application) as api:
            body = {"tags": {"n": "1"}}
            return await api.patch("/runs/tagged", json=body, headers={"Idempotency-Key": "k"})

    with monkeypatch.context() as crash:
        lose_answers(crash)
        asyncio.run(tag())
    assert asyncio.run(tag()).json()["tags"] == {"n": "1"}
    assert application.store.read(lambda tx: tx.idempotency.find("k")).answer != ""


def test_a_refused_call_claims_no_key(application: Application) -> None:
    prepare(application, "refused")

    async def call(path: str) -> Any:
        async with client(application) as api:
            body = {"name": "model-of-refused", "path": path}
            headers = {"Idempotency-Key": "k"}
            return await api.post("/runs/refused/models", json=body, headers=headers)

    assert asyncio.run(call("missing")).status_code == 404
    assert application.store.read(lambda tx: tx.idempotency.find("k")) is None
    assert asyncio.run(call("m")).json()["version"] == 1


def test_keys_are_forgotten_after_a_day(
    application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(application, "aged")
    old = KeyedCall("old", "d", "p", 1.0, "a")
    application.store.write(lambda tx: tx.idempotency.take(old))
    monkeypatch.setattr(idempotency, "PRUNE_SECONDS", -1.0)

    async def tag() -> Any:
        async with client(application) as api:
            return await api.patch(
                "/runs/aged", json={"tags": {}}, headers={"Idempotency-Key": "new"}
            )

    assert asyncio.run(tag()).status_code == 200
    assert application.store.read(lambda tx: tx.idempotency.find("old")) is None
    assert application.store.read(lambda tx: tx.idempotency.find("new")) is not None


def test_every_event_of_a_call_names_its_caller(application: Application) -> None:
    prepare(application, "acting")
    before = application.store.read(lambda tx: tx.events.last())
    token = application.services.access.run_token("acting", 1)

    async def call() -> None:
        async with client(application) as api:
            of_run = {"Authorization": f"Bearer {token}"}
            child = spec("acting-child", parent_id="acting")
            made = await api.post("/runs", json={"runs": [child]}, headers=of_run)
            assert made.status_code == 201
            environment = {"name": "e", "definition": {}}
            assert (await api.post("/environments", json=environment)).status_code == 201

    asyncio.run(call())
    events = application.store.read(lambda tx: tx.events.after(before, 100))
    actors = {event.kind: event.actor for event in events}
    assert actors["run.Submitted"] == "run:acting"
    assert actors["environment.Registered"] == application.services.access.owner.actor


def test_calls_with_a_further_effect_are_declared_so(application: Application) -> None:
    routes = require_declared(create_app(application.services, max_body=MIB).routes)
    once = {route.endpoint.__name__ for route in routes if route.declaration.once}
    assert once == {
        *("register_model", "extend_sweep", "retry_sweep"),
        *("create_run", "create_experiment", "create_model", "log_batch", "log_metric"),
    }
