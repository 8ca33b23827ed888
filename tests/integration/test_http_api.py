"""The HTTP face of a real service: who may do what, what is refused, what a repetition does."""

import hashlib
import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dispatcher.server.app import create_app
from dispatcher.server.settings import Settings
from dispatcher.server.wiring import House, build

OWNER = "owner-token-for-tests"
MIB = 1 << 20
QUICK = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    settings = Settings(data_dir=tmp_path_factory.mktemp("house"))
    house = build(settings, "http://127.0.0.1:1", OWNER)
    house.services.catalog.attach("still", {"kind": "local", "cpus": 1, "memory_mb": 6})
    yield house
    house.close()


@pytest.fixture(scope="module")
def api(house: House) -> Iterator[TestClient]:
    app = create_app(house.services, max_body=4 * MIB)
    with TestClient(app, base_url="http://test/api/v1", raise_server_exceptions=False) as client:
        client.headers["Authorization"] = f"Bearer {OWNER}"
        yield client


def spec(name: str, **fields: Any) -> dict[str, Any]:
    """An interactive run: it needs no target."""
    return {"id": name, "experiment": "e", "interactive": True, **fields}


def submit(api: TestClient, *specs: dict[str, Any], **kw: Any) -> list[dict[str, Any]]:
    answer = api.post("/runs", json={"runs": list(specs)}, **kw)
    assert answer.status_code == 201, answer.text
    runs: list[dict[str, Any]] = answer.json()["runs"]
    return runs


def frame(run: str, data: bytes, offset: int = 0, stream: str = "metrics") -> bytes:
    header = {"run": run, "attempt": 1, "stream": stream, "offset": offset, "size": len(data)}
    return json.dumps(header).encode() + b"\n" + data


def line(name: str, value: Any) -> bytes:
    return json.dumps({"n": name, "k": "scalar", "v": value, "t": 1.0}).encode() + b"\n"


# Who may do what


@pytest.mark.parametrize("token", ["", "x", "run.1.nobody." + "0" * 64, OWNER + "x"])
def test_no_token_or_a_wrong_one_is_401(api: TestClient, token: str) -> None:
    answer = api.get("/runs", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 401


def test_a_run_reaches_itself_and_below_and_nothing_else(api: TestClient, house: House) -> None:
    submit(api, spec("top"), spec("stranger"))
    submit(api, spec("mine", parent_id="top"), spec("sibling", parent_id="top"))
    submit(api, spec("below", parent_id="mine"))
    token = house.services.access.run_token("mine", 1)
    headers = {"Authorization": f"Bearer {token}"}
    calls: list[tuple[str, str, Any]] = [
        ("GET", "/runs/{}", None),
        ("GET", "/runs/{}/metrics", None),
        ("GET", "/runs/{}/logs", None),
        ("GET", "/runs/{}/logs/x", None),
        ("GET", "/runs/{}/explain", None),
        ("GET", "/runs/{}/attempts", None),
        ("GET", "/runs?parent={}", None),
        ("GET", "/runs?root={}", None),
        ("PATCH", "/runs/{}", {"tags": {"a": "b"}}),
        ("POST", "/runs/{}/park", {"waits_for": []}),
        ("POST", "/runs/{}/unpark", {}),
        ("POST", "/runs/{}/events", {"type": "fail", "set_status": False}),
    ]
    for method, path, body in calls:
        for other in ("top", "stranger", "sibling"):
            answer = api.request(method, path.format(other), json=body, headers=headers)
            assert answer.status_code == 403, (method, path, other, answer.text)
        for own in ("mine", "below"):
            answer = api.request(method, path.format(own), json=body, headers=headers)
            assert answer.status_code < 300, (method, path, own, answer.text)
    refused = [
        api.post("/runs/stranger/cancel", headers=headers),
        api.post("/runs", json={"runs": [spec("new")]}, headers=headers),
        api.post("/runs", json={"runs": [spec("new", parent_id="top")]}, headers=headers),
        api.put("/targets/t", json={"kind": "local"}, headers=headers),
        api.delete("/targets/still", headers=headers),
        api.post("/targets/still/ping", headers=headers),
        api.post("/runs/wait", json={"ids": ["top"]}, headers=headers),
        api.post("/spool", content=frame("top", line("a", 1)), headers=headers),
    ]
    assert [answer.status_code for answer in refused] == [
        403,
        403,
        403,
        403,
        403,
        403,
        403,
        403,
    ]
    for path in ("/runs", "/runs?include_children=1", "/runs?experiment=e"):
        listed = api.get(path, headers=headers).json()["runs"]
        assert [run["id"] for run in listed] == ["below", "mine"]


def test_the_token_of_a_run_dies_with_it(api: TestClient, house: House) -> None:
    submit(api, spec("mortal"))
    token = {"Authorization": f"Bearer {house.services.access.run_token('mortal', 1)}"}
    assert api.get("/runs/mortal", headers=token).status_code == 200
    api.post("/runs/mortal/events", json={"type": "complete"})
    assert api.get("/runs/mortal", headers=token).status_code == 401
    old = house.services.access.run_token("mortal", 2)
    assert api.get("/runs/mortal", headers={"Authorization": f"Bearer {old}"}).status_code == 401


def test_an_agent_sends_for_the_runs_of_its_target_alone(api: TestClient, house: House) -> None:
    submit(api, spec("here", target="still"), spec("there", target="other"))
    token = {"Authorization": f"Bearer {house.services.access.agent_token('still')}"}
    assert api.post("/spool", content=frame("here", line("a", 1)), headers=token).status_code == 200
    assert (
        api.post("/spool", content=frame("there", line("a", 1)), headers=token).status_code == 403
    )
    assert api.get("/runs/here", headers=token).status_code == 403


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


# What is refused, and how


def job(name: str, **fields: Any) -> dict[str, Any]:
    return {"id": name, "experiment": "e", "command": "true", "target": "still", **fields}


REFUSED: list[tuple[dict[str, Any], int, tuple[str, ...]]] = [
    (job("b", target="nowhere"), 404, ("nowhere", "attached:", "computetarget attach")),
    (job("b", gpus=2), 422, ("2 GPU", "still", "has 1 CPU and 0 GPU")),
    (job("b", cpus=4), 422, ("4 CPU", "1 CPU")),
    (job("b", memory_mb=7), 422, ("7 MB", "still")),
    (job("b", memory_mb=1), 422, ("memory_mb", "1", "6")),
    (job("b", cpus=-1), 422, ("cpus", "-1", "0")),
    (job("b", command=None), 422, ("script", "command")),
    (job("b", command=None, script="../x.py"), 422, ("script", "..")),
    (job("b", command=None, script="/etc/x.py"), 422, ("script", "below")),
    (job("b", command=None, script="x.py"), 422, ("x.py", "snapshot")),
    (job("b", command=None, script="x.py", snapshot="0" * 64), 404, ("snapshot", "0" * 64)),
    (job("b", snapshot="zz"), 422, ("snapshot",)),
    (job("a/../b"), 422, ("id", "a/../b")),
    (job("x" * 257), 422, ("id", "256", "257")),
    (job("b", experiment="no spaces"), 422, ("experiment", "no spaces")),
    (job("b", tags={"a": "x\0y"}), 422, ("tags", "NUL")),
    (job("b", tags={"a": "x" * MIB}), 422, ("tags", "16384", "characters")),
    (job("b", tags={"a" * 257: "x"}), 422, ("tags", "256")),
    (job("b", tags={"k": "\ud800"}), 422, ("tags",)),
    (job("b", environment_variables={"AZUREML_RUN_ID": "x"}), 422, ("AZUREML_RUN_ID", "reserved")),
    (job("b", environment_variables={"A=B": "x"}), 422, ("environment_variables",)),
    (job("b", node_count=3, process_count=4), 422, ("process_count 4", "node_count 3")),
    (job("b", max_run_duration_seconds=0), 422, ("max_run_duration_seconds", "0")),
    (job("b", unknown_field=1), 422, ("unknown_field",)),
    (job("b", parent_id="b"), 422, ("parent",)),
    (job("b", parent_id="nobody"), 404, ("nobody",)),
    (job("b", distribution="horovod"), 422, ("distribution", "horovod")),
]


@pytest.mark.parametrize(("body", "status", "words"), REFUSED, ids=lambda value: str(value)[:60])
def test_bad_input_is_refused_by_field_value_and_limit(
    api: TestClient, body: dict[str, Any], status: int, words: tuple[str, ...]
) -> None:
    answer = api.post("/runs", content=json.dumps({"runs": [body]}).encode(), headers=JSON)
    assert answer.status_code == status, answer.text
    for word in words:
        assert word in answer.json()["detail"], answer.json()["detail"]
    assert len(answer.content) < 4096


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"{", 422),
        (b"\xff\xfe", 422),
        (b"[]", 422),
        (b'{"runs": []}', 422),
        (b'{"runs": [{"id": "a", "id": "b"}]}', 422),
        (b'{"runs": ' + b"[" * 5000 + b"]" * 5000 + b"}", 422),
        (b'{"runs": [{"id": NaN}]}', 422),
        (b"x" * (4 * MIB + 1), 413),
    ],
    ids=["cut", "no utf-8", "list", "empty", "twice", "deep", "nan", "large"],
)
def test_a_body_that_is_no_submission_is_refused(
    api: TestClient, content: bytes, status: int
) -> None:
    path = "/spool" if status == 413 else "/runs"
    assert api.post(path, content=content, headers=JSON).status_code == status


def test_a_property_is_never_changed_and_the_refused_call_changes_nothing(api: TestClient) -> None:
    submit(api, spec("proper", properties={"author": "me"}))
    body = {"properties": {"author": "you", "new": "1"}, "tags": {"t": "1"}}
    answer = api.patch("/runs/proper", json=body)
    assert answer.status_code == 409
    assert "'author'" in answer.json()["detail"]
    now = api.get("/runs/proper").json()
    assert (now["properties"], now["tags"]) == ({"author": "me"}, {})


def test_a_run_deeper_than_the_limit_is_refused(api: TestClient) -> None:
    submit(api, spec("d0"))
    for k in range(1, 32):
        submit(api, spec(f"d{k}", parent_id=f"d{k - 1}"))
    answer = api.post("/runs", json={"runs": [spec("d32", parent_id="d31")]})
    assert answer.status_code == 413
    assert "32" in answer.json()["detail"]


def test_blobs_are_checked_against_their_hash(api: TestClient) -> None:
    good, digest = b"data", hashlib.sha256(b"data").hexdigest()

    def put(name: str, data: bytes, size: int | None = None) -> int:
        header = {"sha256": name, "size": len(data) if size is None else size}
        return api.post("/blobs", content=json.dumps(header).encode() + b"\n" + data).status_code

    assert put(digest, good) == 200
    assert put("0" * 64, good) == 422
    assert put("../../etc", good) == 422
    assert put(digest, good, size=9) == 422
    assert put(digest, good, size=-1) == 422
    manifest = {"files": [["a.txt", 0o644, 4, digest]]}
    snapshot = api.post("/snapshots", json=manifest).json()
    assert snapshot["missing"] == []
    assert api.get(f"/snapshots/{snapshot['id']}/archive").content[:5] == b"a.txt"
    assert api.get(f"/snapshots/{digest}").status_code == 404


@pytest.mark.parametrize(
    "path", ["../x", "/x", "a//b", "a/./b", "", "a\\b", "a\0b", "x/../../y", "."]
)
def test_a_snapshot_never_names_what_is_outside_of_it(api: TestClient, path: str) -> None:
    manifest = {"files": [[path, 0o644, 4, "0" * 64]]}
    assert api.post("/snapshots", json=manifest).status_code == 422


plain_values = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30)
json_values = st.recursive(
    plain_values,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3)
    ),
    max_leaves=8,
)
FIELDS = (
    *("id", "tags", "arguments", "cpus", "gpus", "script", "target", "distribution"),
    *("max_retries", "preload", "environment_variables", "parent_id", "key", "priority"),
    "definition",
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(field=st.sampled_from(FIELDS), value=json_values)
def test_no_value_of_any_field_is_answered_with_a_5xx(
    api: TestClient, field: str, value: Any
) -> None:
    body = json.dumps({"runs": [{**job("fuzz"), "cpus": 0, field: value}]})
    answer = api.post("/runs", content=body.encode("utf-8", "surrogatepass"), headers=JSON)
    assert answer.status_code < 500, answer.text


def test_a_metrics_name_that_no_index_takes_is_cut_and_told_apart_by_its_hash(
    api: TestClient,
) -> None:
    submit(api, spec("longnamed"))
    names = ["字" * 1000 + end for end in "ab"]
    lines = "".join(json.dumps({"n": n, "k": "scalar", "v": 1}) + "\n" for n in names).encode()
    header = {"run": "longnamed", "attempt": 1, "stream": "metrics", "offset": 0}
    frame = json.dumps({**header, "size": len(lines)}).encode() + b"\n" + lines
    assert api.post("/spool", content=frame).status_code == 200
    kept = {p["n"] for p in api.get("/runs/longnamed/metrics").json()["runs"]["longnamed"]}
    assert len(kept) == 2
    assert all(name.startswith("字" * 600) and len(name.encode()) <= 2000 for name in kept)
