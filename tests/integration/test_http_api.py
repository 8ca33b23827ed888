"""The HTTP face of a real service: who may do what, and what a repetition does."""

import hashlib
import json
import threading
import time
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dispatcher.access.permissions import Grant, Permission, Scope
from dispatcher.access.principals import Kind, Principal, Role
from dispatcher.core.runs.spec import RunSpec
from dispatcher.server.wiring import Application
from tests.integration.http_service import OWNER, frame, line, spec, submit

# Who may do what


@pytest.mark.parametrize("token", ["", "x", "run.1.nobody." + "0" * 64, OWNER + "x"])
def test_no_token_or_a_wrong_one_is_401(api: TestClient, token: str) -> None:
    answer = api.get("/runs", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 401


def test_a_run_reads_its_workspace_and_writes_its_own_tree_alone(
    api: TestClient, application: Application
) -> None:
    submit(api, spec("top"), spec("stranger"))
    submit(api, spec("mine", parent_id="top"), spec("sibling", parent_id="top"))
    submit(api, spec("below", parent_id="mine"))
    headers = {"Authorization": f"Bearer {application.services.access.run_token('mine', 1)}"}

    def status(method: str, path: str, body: Any = None) -> int:
        return api.request(method, path, json=body, headers=headers).status_code

    reads = ("", "/metrics", "/logs", "/logs/x", "/explain", "/attempts", "/artifacts")
    writes: list[tuple[str, str, Any]] = [
        ("PATCH", "", {"tags": {"a": "b"}}),
        ("POST", "/events", {"type": "fail", "set_status": False}),
    ]
    for other in ("top", "stranger", "sibling", "mine", "below"):
        assert [status("GET", f"/runs/{other}{read}") for read in reads] == [200] * len(reads)
        expected = 200 if other in ("mine", "below") else 403
        for method, path, body in writes:
            assert status(method, f"/runs/{other}{path}", body) == expected, (other, path)
        own = 200 if other == "mine" else 403
        assert status("POST", f"/runs/{other}/park", {"waits_for": []}) == own
        assert status("POST", f"/runs/{other}/unpark") == own
    refused = [
        status("POST", "/runs/stranger/cancel"),
        status("POST", "/runs", {"runs": [spec("new")]}),
        status("POST", "/runs", {"runs": [spec("new", parent_id="top")]}),
        status("PUT", "/targets/t", {"kind": "local"}),
        status("DELETE", "/targets/still"),
        status("POST", "/targets/still/ping"),
        api.post("/spool", content=frame("top", line("a", 1)), headers=headers).status_code,
    ]
    assert refused == [403] * len(refused)
    listed = api.get("/runs?include_children=1&limit=1000", headers=headers).json()["runs"]
    assert {"top", "stranger", "sibling", "mine", "below"} <= {run["id"] for run in listed}


def test_a_run_in_a_container_starts_no_child_on_a_target_of_plain_processes(
    api: TestClient, application: Application
) -> None:
    def attach(name: str, config: dict[str, Any]) -> None:
        application.store.write(lambda tx: tx.registry.put_target(name, {**config, "name": name}))

    attach("box", {"kind": "docker", "docker_host": "unix:///nowhere"})
    attach("plain", {"kind": "local"})
    job = {"command": "true", "interactive": False}
    submit(api, spec("contained", target="box", **job))
    headers = {"Authorization": f"Bearer {application.services.access.run_token('contained', 1)}"}
    trial = {"parent_id": "contained", **job}

    def child(name: str, target: str) -> Any:
        body = {"runs": [spec(name, target=target, **trial)]}
        return api.post("/runs", json=body, headers=headers)

    refused = child("escaped", "plain")
    assert refused.status_code == 403
    assert "'plain'" in refused.json()["detail"]
    assert "accepts=any-run" in refused.json()["detail"]
    assert api.get("/runs/escaped").status_code == 404
    assert child("beside", "box").status_code == 201
    attach("plain", {"kind": "local", "accepts": "any-run"})
    assert child("allowed", "plain").status_code == 201
    for name in ("contained", "beside", "allowed"):
        api.post(f"/runs/{name}/cancel")
    application.store.write(
        lambda tx: [tx.registry.delete_target(name) for name in ("box", "plain")]
    )


def test_the_token_of_a_run_dies_with_it(api: TestClient, application: Application) -> None:
    submit(api, spec("mortal"))
    token = {"Authorization": f"Bearer {application.services.access.run_token('mortal', 1)}"}
    assert api.get("/runs/mortal", headers=token).status_code == 200
    api.post("/runs/mortal/events", json={"type": "complete"})
    assert api.get("/runs/mortal", headers=token).status_code == 401
    old = application.services.access.run_token("mortal", 2)
    assert api.get("/runs/mortal", headers={"Authorization": f"Bearer {old}"}).status_code == 401


def test_an_agent_sends_for_the_runs_of_its_target_alone(
    api: TestClient, application: Application
) -> None:
    submit(api, spec("here", target="still"), spec("there", target="other"))
    token = {"Authorization": f"Bearer {application.services.access.agent_token('still')}"}
    assert api.post("/spool", content=frame("here", line("a", 1)), headers=token).status_code == 200
    assert (
        api.post("/spool", content=frame("there", line("a", 1)), headers=token).status_code == 403
    )
    assert api.get("/runs/here", headers=token).status_code == 403


def test_a_run_names_who_submitted_its_tree_and_not_who_reads_it(
    api: TestClient, application: Application
) -> None:
    owner = application.services.access.owner.name
    [top] = submit(api, spec("signed"))
    headers = {"Authorization": f"Bearer {application.services.access.run_token('signed', 1)}"}
    [below] = submit(api, spec("signed-below", parent_id="signed"), headers=headers)
    assert (top["submitted_by"], below["submitted_by"]) == (owner, owner)
    ada = Grant(Principal(Kind.USER, "ada", Role.CONTRIBUTOR), Permission.SUBMIT_RUNS, Scope.ANY)
    application.services.submission.submit([RunSpec(**spec("of-ada"))], ada)
    assert api.get("/runs/of-ada").json()["submitted_by"] == "ada"
    hers = {"Authorization": f"Bearer {application.services.access.run_token('of-ada', 1)}"}
    [child] = submit(api, spec("of-ada-below", parent_id="of-ada"), headers=hers)
    assert child["submitted_by"] == "ada"


def _of_run(application: Application, name: str, person: str = "") -> dict[str, Any]:
    """What a run sends that a user has submitted."""
    submitter = Principal(Kind.USER, person, Role.CONTRIBUTOR) if person else None
    principal = submitter or application.services.access.owner
    grant = Grant(principal, Permission.SUBMIT_RUNS, Scope.ANY)
    application.services.submission.submit([RunSpec(**spec(name))], grant)
    token = application.services.access.run_token(name, 1)
    return {"headers": {"Authorization": f"Bearer {token}"}}


def _environment(api: TestClient, name: str, variables: str, **caller: Any) -> dict[str, Any]:
    body = {"name": name, "definition": {"environmentVariables": {"A": variables}}}
    answer = api.post("/environments", json=body, **caller)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def test_no_run_changes_the_latest_version_of_an_environment_of_a_user(
    api: TestClient, application: Application
) -> None:
    _environment(api, "shared", "1")
    run = _of_run(application, "registers")
    made = _environment(api, "shared", "evil", **run)
    assert (made["version"], made["registered_by"]) == ("2", "run:registers")
    assert made["counts_as_latest"] is False
    assert api.get("/environments/shared").json()["version"] == "1"
    [listed] = [e for e in api.get("/environments").json()["environments"] if e["name"] == "shared"]
    assert listed["version"] == "1"
    by_number = api.get("/environments/shared/versions/2").json()
    assert by_number["definition"]["environmentVariables"] == {"A": "evil"}
    assert _environment(api, "shared", "3")["version"] == "3"
    assert api.get("/environments/shared").json()["version"] == "3"


def test_runs_move_the_latest_version_of_a_name_that_a_run_of_the_same_user_made(
    api: TestClient, application: Application
) -> None:
    _environment(api, "of-runs", "1", **_of_run(application, "first-of-ada", "ada"))
    _environment(api, "of-runs", "2", **_of_run(application, "second-of-ada", "ada"))
    assert api.get("/environments/of-runs").json()["version"] == "2"
    _environment(api, "of-runs", "3", **_of_run(application, "of-bob", "bob"))
    assert api.get("/environments/of-runs").json()["version"] == "2"


def test_a_run_of_another_user_does_not_change_the_latest_version_of_a_model(
    api: TestClient, application: Application
) -> None:
    def register(run: str, person: str) -> dict[str, Any]:
        caller = _of_run(application, run, person)
        at = f"http://test/api/2.0/mlflow-artifacts/artifacts/0/{run}/artifacts/m"
        assert api.put(at, content=b"x", **caller).status_code == 200
        answer = api.post(f"/runs/{run}/models", json={"name": "fruit", "path": "m"}, **caller)
        assert answer.status_code == 200, answer.text
        made: dict[str, Any] = answer.json()
        return made

    assert register("fruit-1", "ada")["counts_as_latest"] is True
    assert register("fruit-2", "ada")["counts_as_latest"] is True
    other = register("fruit-3", "bob")
    assert (other["version"], other["counts_as_latest"]) == (3, False)
    assert other["registered_by"] == "run:fruit-3"


def test_a_run_reads_the_snapshot_of_a_run_and_an_agent_those_of_its_target(
    api: TestClient, application: Application
) -> None:
    def upload(content: bytes) -> str:
        digest = hashlib.sha256(content).hexdigest()
        header = json.dumps({"sha256": digest, "size": len(content)}).encode() + b"\n"
        assert api.post("/blobs", content=header + content).status_code == 200
        manifest = {"files": [["a.py", 0o644, len(content), digest]]}
        return str(api.post("/snapshots", json=manifest).json()["id"])

    used, unused = upload(b"used"), upload(b"of no run")
    submit(api, spec("has-snapshot", snapshot=used, target="still"))
    run = _of_run(application, "reads-snapshots")
    tokens = application.services.access
    here = {"headers": {"Authorization": f"Bearer {tokens.agent_token('still')}"}}
    there = {"headers": {"Authorization": f"Bearer {tokens.agent_token('other')}"}}
    for path in ("", "/archive"):
        for caller, expected in ((run, 200), (here, 200), (there, 403), ({}, 200)):
            assert api.get(f"/snapshots/{used}{path}", **caller).status_code == expected
        for caller, expected in ((run, 403), (here, 403), ({}, 200)):
            assert api.get(f"/snapshots/{unused}{path}", **caller).status_code == expected
        assert api.get(f"/snapshots/{'0' * 64}{path}", **run).status_code == 404


# What a repetition does


def test_a_submission_that_is_repeated_is_one_run_and_another_content_is_409(
    api: TestClient,
) -> None:
    first, again = submit(api, spec("once")), submit(api, spec("once"))
    assert first[0]["number"] == again[0]["number"]
    answer = api.post("/runs", json={"runs": [{**spec("once"), "name": "other"}]})
    assert answer.status_code == 409
    assert "once" in answer.json()["detail"]


def test_a_child_key_answers_the_child_that_is_there(api: TestClient) -> None:
    submit(api, spec("keyed"))
    child = {"parent_id": "keyed", "key": "k", "key_hash": "h"}
    [first] = submit(api, spec("first", **child))
    [again] = submit(api, spec("second", **child))
    assert first["id"] == again["id"] == "first"
    other = api.post("/runs", json={"runs": [spec("third", **{**child, "key_hash": "x"})]})
    assert other.status_code == 409
    twice = [spec("a1", parent_id="keyed", key="z"), spec("a2", parent_id="keyed", key="z")]
    assert api.post("/runs", json={"runs": twice}).status_code == 409
    assert api.get("/runs/a1").status_code == 404


def test_a_batch_is_accepted_whole_or_not_at_all(api: TestClient) -> None:
    answer = api.post("/runs", json={"runs": [spec("good"), spec("bad", parent_id="nobody")]})
    assert answer.status_code == 404
    assert api.get("/runs/good").status_code == 404


def test_what_is_said_once_for_all_runs_holds_for_each_and_its_own_word_wins(
    api: TestClient,
) -> None:
    common = {key: value for key, value in spec("x").items() if key != "id"}
    runs = [{"id": "one"}, {"id": "other", "display_name": "mine"}]
    answer = api.post("/runs", json={"runs": runs, "common": {**common, "display_name": "all"}})

    assert answer.status_code == 201, answer.text
    assert [run["display_name"] for run in answer.json()["runs"]] == ["all", "mine"]


@pytest.mark.parametrize("common", [{"arguments": ["x" * 300_000]}, {"nonsense": 1}, 7])
def test_what_cannot_be_said_for_all_is_refused(api: TestClient, common: Any) -> None:
    runs = [spec(f"r{k}") for k in range(1000)]
    answer = api.post("/runs", json={"runs": runs, "common": common})

    assert answer.status_code == 422, answer.text
    assert "common" in answer.text or "nonsense" in answer.text


def test_an_idempotency_key_gives_the_recorded_answer_and_refuses_another_body(
    api: TestClient,
) -> None:
    submit(api, spec("tagged"))
    key = {"Idempotency-Key": "k1"}
    one = api.patch("/runs/tagged", json={"tags": {"n": "1"}}, headers=key)
    api.patch("/runs/tagged", json={"tags": {"n": "2"}})
    again = api.patch("/runs/tagged", json={"tags": {"n": "1"}}, headers=key)
    assert again.json() == one.json()
    assert api.get("/runs/tagged").json()["tags"] == {"n": "2"}  # it was not done again
    other = api.patch("/runs/tagged", json={"tags": {"n": "3"}}, headers=key)
    assert other.status_code == 409
    assert (
        api.patch("/runs/tagged", json={}, headers={"Idempotency-Key": "x" * 129}).status_code
        == 422
    )


def test_a_spool_chunk_counts_once_and_a_gap_is_not_taken(api: TestClient) -> None:
    submit(api, spec("spooled"))
    one, two = line("m", 1), line("m", 2)

    def send(data: bytes, offset: int) -> int:
        answer = api.post("/spool", content=frame("spooled", data, offset))
        assert answer.status_code == 200
        [ack] = answer.json()["acks"]
        return int(ack["offset"])

    assert send(one, 0) == len(one)
    assert send(one, 0) == len(one)
    assert send(two, 1000) == len(one)
    assert send(one + two[:5], 0) == len(one)  # half a line is taken with its other half
    assert send(one + two, 0) == len(one + two)
    points = api.get("/runs/spooled/metrics").json()["runs"]["spooled"]
    assert [point["v"] for point in points] == [1, 2]


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    cuts=st.lists(st.tuples(st.integers(0, 400), st.integers(1, 200)), max_size=25),
    seed=st.integers(0, 10**9),
)
def test_however_a_spool_is_cut_and_resent_every_point_is_there_once_in_order(
    api: TestClient, cuts: list[tuple[int, int]], seed: int
) -> None:
    run = f"cut{seed}-{len(cuts)}-{hashlib.sha256(str(cuts).encode()).hexdigest()[:8]}"
    submit(api, spec(run))
    data = b"".join(line("m", k) for k in range(12))
    for start, size in cuts:
        api.post("/spool", content=frame(run, data[start : start + size], start))
    api.post("/spool", content=frame(run, data, 0))
    points = api.get(f"/runs/{run}/metrics").json()["runs"][run]
    assert [point["v"] for point in points] == list(range(12))


# What waits


def test_a_list_is_read_page_by_page_newest_start_first(
    api: TestClient, application: Application
) -> None:
    away = {"kind": "docker", "name": "away", "docker_host": "unix:///nowhere"}
    application.store.write(lambda tx: tx.registry.put_target("away", away))
    submit(api, *[spec(f"r{k}", experiment="paged") for k in range(3)])
    waiting = {"interactive": False, "command": "true", "target": "away", "experiment": "paged"}
    submit(api, *[spec(f"queued{k}", **waiting) for k in range(2)])
    found: list[str] = []
    query: list[tuple[str, str]] = [("experiment", "paged"), ("limit", "1")]
    cursor: list[tuple[str, str]] = []
    while True:
        page = api.get("/runs", params=[*query, *cursor]).json()
        found += [run["id"] for run in page["runs"]]
        if page["next"] is None:
            break
        cursor = [("cursor", page["next"])]
    assert found == ["queued1", "queued0", "r2", "r1", "r0"]


@pytest.mark.parametrize(
    "cursor",
    ["", "7", "x,1", "1.0,", "1.0,x", "nan,1", "1.0,1,1", "1e999,1", "-1,1", "1," + "9" * 40],
)
def test_a_cursor_that_no_page_gave_is_refused_by_name(api: TestClient, cursor: str) -> None:
    answer = api.get("/runs", params={"cursor": cursor})
    assert answer.status_code == 422
    assert "cursor" in answer.json()["detail"]


def test_a_long_poll_answers_at_once_when_the_run_moves(api: TestClient) -> None:
    submit(api, spec("slow"))
    version = api.get("/runs/slow").json()["version"]
    timer = threading.Timer(0.2, lambda: api.post("/runs/slow/events", json={"type": "complete"}))
    timer.start()
    started = time.monotonic()
    answer = api.get("/runs/slow", params={"after": version, "wait": 30}).json()
    assert (answer["status"], answer["terminal"]) == ("Completed", True)
    assert time.monotonic() - started < 10


def test_waiting_for_many_ends_when_the_last_has_ended(api: TestClient) -> None:
    submit(api, *[spec(f"w{k}") for k in range(3)])
    for k in range(2):
        api.post(f"/runs/w{k}/events", json={"type": "fail", "error": {"error": {"code": "X"}}})
    ids = ["w0", "w1", "w2"]
    assert api.post("/runs/wait", json={"ids": ids}).json()["pending"] == 1
    api.post("/runs/w2/events", json={"type": "complete"})
    told = api.post("/runs/wait", json={"ids": ids, "wait": 30}).json()
    assert told == {"statuses": {"w0": "Failed", "w1": "Failed", "w2": "Completed"}, "pending": 0}


def test_what_comes_after_the_end_changes_nothing_and_is_no_error(api: TestClient) -> None:
    submit(api, spec("over"))
    api.post("/runs/over/events", json={"type": "complete"})
    for call in (
        ("/runs/over/events", {"type": "fail", "error": {"error": {"code": "X"}}}),
        ("/runs/over/cancel", None),
        ("/runs/over/events", {"type": "complete"}),
    ):
        assert api.post(call[0], json=call[1]).status_code in (200, 202)
    assert api.get("/runs/over").json()["status"] == "Completed"
