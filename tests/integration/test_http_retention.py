"""Rules, garbage collection and disk usage over HTTP."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.integration.http_service import spec, submit
from tests.integration.test_http_deletion import end, put_file


def test_by_default_no_run_log_or_file_is_deleted(api: TestClient) -> None:
    rules = api.get("/retention").json()
    limits = ("runs_age", "runs_count", "runs_bytes", "deleted_runs_age", "logs_age")
    assert {name: rules[name] for name in limits} == dict.fromkeys(limits)


def test_rules_are_changed_in_the_words_of_people_and_stay(api: TestClient) -> None:
    changed = api.patch("/retention", json={"runs_age": "30d", "runs_bytes": "2.5GB"})
    assert changed.json()["runs_age"] == 30 * 86400
    assert api.get("/retention").json() == changed.json()
    assert (
        api.patch("/retention", json={"runs_age": None, "runs_bytes": "none"}).json()["runs_bytes"]
        is None
    )


@pytest.mark.parametrize(
    ("rules", "text"),
    [
        ({"runs_age": "soon"}, "runs_age: 'soon': not an age, such as 12h, 30d or none"),
        ({"runs_bytes": "5d"}, "runs_bytes: '5d': not a size, such as 500MB, 20GB or none"),
        ({"runs_count": -1}, "runs_count: -1: Input should be greater than or equal to 0"),
        ({"contents_grace": None}, "contents_grace: None: Input should be a valid number"),
        ({"run_age": "1d"}, "run_age: no such rule; there are runs_age,"),
    ],
)
def test_a_rule_that_is_none_is_refused_by_name(
    api: TestClient, rules: dict[str, Any], text: str
) -> None:
    for call in (
        lambda: api.patch("/retention", json=rules),
        lambda: api.post("/gc", json={"rules": rules}),
    ):
        answer = call()
        assert answer.status_code == 422
        assert text in answer.json()["detail"]


def test_garbage_is_collected_by_rules_of_the_call_and_a_dry_run_says_the_same(
    api: TestClient,
) -> None:
    submit(api, spec("heavy"))
    put_file(api, "heavy", "outputs/big", b"x" * 1000)
    end(api, "heavy")
    usage = api.get("/usage").json()
    assert {"name": "heavy", "experiment": "e", "files": 1000, "logs": 0} in usage["runs"]
    assert usage["experiments"][0]["files"] >= 1000
    kinds = {each["kind"]: each for each in usage["kinds"]}
    assert kinds["database"]["bytes"] > 0
    assert kinds["contents"]["files"] >= 1
    api.delete("/runs/heavy")
    body = {"rules": {"contents_grace": 0}}
    planned = api.post("/gc", json={**body, "dry_run": True}).json()
    done = api.post("/gc", json=body).json()
    assert planned["deleted"]["contents"] == done["deleted"]["contents"]
    assert done["deleted"]["contents"]["bytes"] >= 1000
    assert api.post("/gc", json=body).json()["deleted"]["contents"]["count"] == 0
    assert all(run["name"] != "heavy" for run in api.get("/usage").json()["runs"])
