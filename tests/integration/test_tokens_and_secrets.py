"""Tokens of users, and secrets that runs and targets refer to."""

import json
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from dispatcher.access.secrets import FILE, SecretStore
from dispatcher.core.runs.lifecycle import Placed
from dispatcher.core.scheduling.plan import Share
from dispatcher.server.app import create_app
from dispatcher.server.settings import Settings
from dispatcher.server.wiring import Application, build
from tests.integration.http_service import MIB, OWNER, job, spec, submit

CANARY = "canary-4711-of-a-secret"


@pytest.fixture
def application(tmp_path: Path) -> Iterator[Application]:
    application = build(Settings(data_dir=tmp_path), "http://127.0.0.1:1", OWNER)
    application.engine.stop()
    yield application
    application.close()


@pytest.fixture
def api(application: Application) -> Iterator[TestClient]:
    app = create_app(application.services, max_body=MIB)
    with TestClient(app, base_url="http://test/api/v1", raise_server_exceptions=False) as client:
        client.headers["Authorization"] = f"Bearer {OWNER}"
        yield client


def token(api: TestClient, **fields: Any) -> tuple[str, dict[str, dict[str, str]]]:
    """The id of a new token, and what its owner sends."""
    made = api.post("/tokens", json=fields)
    assert made.status_code == 201, made.text
    headers = {"headers": {"Authorization": f"Bearer {made.json()['token']}"}}
    return made.json()["record"]["id"], headers


def files_with(folder: Path, text: str) -> set[str]:
    return {
        path.name
        for path in folder.rglob("*")
        if path.is_file() and text.encode() in path.read_bytes()
    }


def test_a_token_has_the_role_that_it_was_made_with(api: TestClient) -> None:
    _, ada = token(api, name="ada", role="contributor")
    _, report = token(api, name="report", kind="service_account", role="reader")
    made = api.post("/runs", json={"runs": [spec("of-ada")]}, **ada)
    assert made.json()["runs"][0]["submitted_by"] == "ada"
    assert api.get("/runs/of-ada", **report).status_code == 200
    assert api.post("/runs", json={"runs": [spec("no")]}, **report).status_code == 403
    assert api.patch("/runs/of-ada", json={"tags": {"a": "b"}}, **report).status_code == 403
    for caller in (ada, report):
        assert api.post("/tokens", json={"name": "x"}, **caller).status_code == 403
        assert api.put("/targets/t", json={"kind": "local"}, **caller).status_code == 403
        assert api.get("/secrets", **caller).status_code == 403


def test_a_token_is_refused_once_it_is_revoked_or_has_expired(
    api: TestClient, application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    token_id, ada = token(api, name="ada", role="contributor")
    _, bob = token(api, name="bob", role="contributor", expires_at=time.time() + 60)
    assert api.get("/runs", **ada).status_code == api.get("/runs", **bob).status_code == 200
    assert api.delete(f"/tokens/{token_id}").status_code == 204
    refused = api.get("/runs", **ada)
    assert (refused.status_code, "revoked" in refused.json()["detail"]) == (401, True)
    monkeypatch.setattr(application.services.access, "_clock", lambda: time.time() + 61)
    refused = api.get("/runs", **bob)
    assert (refused.status_code, "expired" in refused.json()["detail"]) == (401, True)
    assert api.delete("/tokens/none").status_code == 404
    past = api.post("/tokens", json={"name": "late", "expires_at": 1.0})
    assert past.status_code == 422


def test_a_token_is_stored_as_its_hash_alone_and_its_use_is_noted(
    api: TestClient, application: Application, tmp_path: Path
) -> None:
    key = {"Idempotency-Key": "k"}
    made = api.post("/tokens", json={"name": "ada"}, headers=key).json()
    secret = made["token"].removeprefix("dsp_")
    headers = {"Authorization": f"Bearer {made['token']}"}
    assert made["record"]["last_used_at"] is None
    api.get("/runs", headers=headers)
    [listed] = api.get("/tokens").json()["tokens"]
    assert listed["last_used_at"] is not None
    assert (listed["name"], listed["created_by"]) == (
        "ada",
        application.services.access.owner.actor,
    )
    assert secret not in api.get("/tokens").text
    application.close()
    assert files_with(tmp_path, secret) == set()


@pytest.mark.parametrize("forged", ["dsp_", "dsp_x", "dsp_" + "0" * 43])
def test_a_token_that_nobody_made_is_refused(api: TestClient, forged: str) -> None:
    headers = {"Authorization": f"Bearer {forged}"}
    assert api.get("/runs", headers=headers).status_code == 401


def test_a_secret_of_a_run_is_put_in_place_when_the_run_starts_and_stands_nowhere_else(
    api: TestClient, application: Application, tmp_path: Path
) -> None:
    assert api.put("/secrets/API_KEY", json={"value": CANARY}).status_code == 204
    assert api.get("/secrets").json() == {"secrets": ["API_KEY"]}
    variables = {"KEY": "secret://API_KEY", "PLAIN": "as it is"}
    application.services.catalog.attach("still", {"kind": "local", "cpus": 1})
    [run] = submit(api, job("secretive", environment_variables=variables))
    application.services.status.record("secretive", Placed((Share("local"),)))
    [made] = application.engine._jobs_for(application.services.status.get("secretive"))
    assert (made.env["KEY"], made.env["PLAIN"]) == (CANARY, "as it is")
    for path in ("", "/attempts", "/explain"):
        assert CANARY not in api.get(f"/runs/secretive{path}").text
    assert CANARY not in json.dumps(run)
    api.post("/runs/secretive/cancel")
    application.close()
    assert files_with(tmp_path, CANARY) == {FILE}
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600


def test_a_run_that_refers_to_no_secret_that_is_there_is_refused_naming_the_way_out(
    api: TestClient,
) -> None:
    variables = {"KEY": "secret://missing"}
    body = {"runs": [job("b", target="local", environment_variables=variables)]}
    answer = api.post("/runs", json=body)
    assert answer.status_code == 422
    for word in ("environment_variables.KEY", "'missing'", "dispatcher secret set missing"):
        assert word in answer.json()["detail"]


def test_a_secret_may_come_from_the_environment(tmp_path: Path) -> None:
    store = SecretStore(tmp_path, {"DISPATCHER_SECRET_API_KEY": CANARY})
    assert store.resolve("secret://api-key") == CANARY
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["1x", "a b", "a/b", "x" * 129, "é"])
def test_a_name_that_a_secret_cannot_have_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(Exception, match="secret"):
        SecretStore(tmp_path, {}).set(name, "v")


def test_a_secret_is_changed_and_removed(api: TestClient) -> None:
    for value in ("one", "two"):
        assert api.put("/secrets/s", json={"value": value}).status_code == 204
    assert api.put("/secrets/s", json={"value": ""}).status_code == 422
    assert api.delete("/secrets/s").status_code == 204
    assert api.delete("/secrets/s").status_code == 404


def test_the_token_of_a_ray_cluster_is_a_secret_and_never_in_the_database(
    api: TestClient, application: Application, tmp_path: Path
) -> None:
    config = {"kind": "ray", "address": "127.0.0.1:1", "token": CANARY}
    stored = application.live_targets.check({**config, "name": "cluster"})
    assert stored["token"] == "secret://target.cluster.token"
    again = application.live_targets.check(stored)
    assert again["token"] == stored["token"]
    assert CANARY not in json.dumps(application.live_targets.shown(stored))
    application.close()
    assert files_with(tmp_path, CANARY) == {FILE}


def test_the_token_that_an_earlier_release_kept_in_the_database_is_moved(tmp_path: Path) -> None:
    first = build(Settings(data_dir=tmp_path), "http://127.0.0.1:1", OWNER)
    old = {"kind": "ray", "name": "old", "address": "127.0.0.1:1", "token": CANARY}
    first.store.write(lambda tx: tx.registry.put_target("old", old))
    first.close()
    assert "dispatcher.db" in files_with(tmp_path, CANARY)
    again = build(Settings(data_dir=tmp_path), "http://127.0.0.1:1", OWNER)
    config = again.store.read(lambda tx: tx.registry.targets())["old"]
    again.close()
    assert config["token"] == "secret://target.old.token"
    assert files_with(tmp_path, CANARY) == {FILE}
