"""The HTTP face of a real service: what is refused, and how; never with a 5xx."""

import hashlib
import json
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.http_service import JSON, MIB, job, spec, submit

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
    (job("x" * 231), 422, ("id", "230", "231")),
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
    (job("b", definition={"x": "y" * MIB}), 422, ("definition", "1048585", "1048576")),
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
