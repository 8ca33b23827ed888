"""What a run may know of those above it, and say to them through its own spool; and no more."""

import json
import logging
import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from dispatcher.server.app import create_app
from dispatcher.server.settings import Settings
from dispatcher.server.wiring import Application, build
from tests.rigs import processes

OWNER = "owner-token-for-tests"


@pytest.fixture
def application(tmp_path: Path) -> Iterator[Application]:
    application = build(Settings(data_dir=tmp_path), "http://127.0.0.1:1", OWNER)
    yield application
    application.close()
    while agents := [p for p in processes.processes() if str(tmp_path) in " ".join(p.command)]:
        for process in agents:
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
        time.sleep(0.02)


@pytest.fixture
def api(application: Application) -> Iterator[TestClient]:
    app = create_app(application.services, max_body=4 << 20)
    with TestClient(app, base_url="http://test/api/v1", raise_server_exceptions=False) as client:
        client.headers["Authorization"] = f"Bearer {OWNER}"
        for name, parent in (("top", None), ("mid", "top"), ("leaf", "mid"), ("other", None)):
            spec = {"id": name, "experiment": "e", "interactive": True, "parent_id": parent}
            assert client.post("/runs", json={"runs": [spec]}).status_code == 201
        yield client


class Sender:
    """The script of a run, with its token and its spool."""

    def __init__(self, api: TestClient, application: Application, run: str) -> None:
        self._api, self._run, self.offset = api, run, 0
        token = application.services.access.run_token(run, 1)
        self.headers = {"Authorization": f"Bearer {token}"}

    def say(self, *lines: Any) -> bytes:
        texts = [each if isinstance(each, bytes) else json.dumps(each).encode() for each in lines]
        data = b"".join(text + b"\n" for text in texts)
        self.send(data)
        return data

    def send(self, data: bytes, offset: int | None = None) -> None:
        at = self.offset if offset is None else offset
        header = {"run": self._run, "attempt": 1, "stream": "metrics", "offset": at}
        frame = json.dumps({**header, "size": len(data)}).encode() + b"\n" + data
        answer = self._api.post("/spool", content=frame, headers=self.headers)
        assert answer.status_code == 200, answer.text
        self.offset = max(self.offset, at + len(data))
        assert answer.json()["acks"][0]["offset"] == self.offset  # nothing holds the spool up


@pytest.fixture
def leaf(api: TestClient, application: Application) -> Sender:
    return Sender(api, application, "leaf")


def values(api: TestClient, run: str) -> list[Any]:
    points = api.get(f"/runs/{run}/metrics").json()["runs"].get(run, [])
    return [point["v"] for point in points]


def point(value: Any, to: Any = None) -> dict[str, Any]:
    return {"n": "m", "k": "scalar", "v": value, "t": 1.0, **({"to": to} if to else {})}


def test_a_run_is_told_of_those_above_it_nearest_first_and_nothing_of_how_they_run(
    api: TestClient, leaf: Sender
) -> None:
    api.patch("/runs/top", json={"tags": {"a": "b"}, "properties": {"p": "q"}})
    told = api.get("/runs/leaf", headers=leaf.headers).json()["ancestors"]
    assert [each["id"] for each in told] == ["mid", "top"]
    assert (told[1]["tags"], told[1]["properties"]) == ({"a": "b"}, {"p": "q"})
    assert (told[1]["status"], told[1]["terminal"], told[1]["experiment"]) == (
        "Running",
        False,
        "e",
    )
    assert not {"definition", "error", "environment", "token"} & set(told[1])
    assert api.get("/runs/top").json()["ancestors"] == []
    assert all("ancestors" not in run for run in api.get("/runs?parent=mid").json()["runs"])


def test_what_is_said_upwards_reaches_those_above_and_nobody_twice(
    api: TestClient, leaf: Sender
) -> None:
    first = leaf.say(point(1), point(2, "mid"), point(3, "top"), point(4, "leaf"))
    leaf.send(first, offset=0)
    leaf.send(first + b'{"n":"m","k":"scalar","v":5,"to":"top"}\n', offset=0)
    assert [values(api, run) for run in ("leaf", "mid", "top")] == [[1, 4], [2], [3, 5]]
    assert api.get("/runs/top/metrics", headers=leaf.headers).status_code == 200


def test_tags_and_properties_go_upwards_and_a_property_keeps_its_first_value(
    api: TestClient, leaf: Sender
) -> None:
    api.patch("/runs/top", json={"tags": {"old": "x", "a": "0"}})
    say = [
        ("tag", "a", "1"), ("tag", "a", "2"), ("tag", "none", None), ("untag", "old", None),
        ("property", "p", "1"), ("property", "p", "2"), ("property", "q", None),
        ("property", "model:m:1", "{}"), ("tag", "", "x"), ("tag", "k" * 257, "x"),
        ("tag", "long", "x" * 20_000), ("tag", "number", 5),
    ]  # fmt: skip
    leaf.say(*({"k": kind, "n": key, "v": value, "to": "top"} for kind, key, value in say))
    leaf.say({"k": "property", "n": "p", "v": "3", "to": "top"})
    top = api.get("/runs/top").json()
    assert top["tags"] == {"a": "2", "none": None}
    assert top["properties"] == {"p": "1", "q": None}
    assert api.get("/models").json()["models"] == []


@pytest.mark.parametrize("to", ["other", "nobody", "mid2", "", " top", "top/", "x" * 9000, "\0"])
def test_a_line_for_anyone_else_is_dropped_told_once_and_the_rest_goes_on(
    api: TestClient,
    application: Application,
    leaf: Sender,
    to: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        for k in range(3):
            leaf.say(
                {**point("stolen"), "to": to},
                {"k": "tag", "n": "stolen", "v": "1", "to": to},
                point(k, "top"),
            )
    assert "stolen" not in str(api.get("/runs/other").json()) + str(values(api, "other"))
    assert "stolen" not in str([values(api, run) for run in ("top", "mid")])
    assert values(api, "top") == [0, 1, 2]
    told = [record for record in caplog.records if "not recorded" in record.message]
    assert len(told) == (1 if to else 0)  # without a name it is for the sender itself


def test_siblings_and_those_below_are_not_above(api: TestClient, application: Application) -> None:
    spec = {"id": "twin", "experiment": "e", "interactive": True, "parent_id": "top"}
    api.post("/runs", json={"runs": [spec]})
    Sender(api, application, "mid").say(point(1, "twin"), point(2, "leaf"), point(3, "top"))
    assert [values(api, run) for run in ("twin", "leaf", "top")] == [[], [], [3]]


def test_odd_lines_are_passed_over(api: TestClient, leaf: Sender) -> None:
    odd = [
        b"[]", b"5", b"null", b"\xff", b'{"n":1}', b'{"k":"tag","to":"top"}',
        *({"k": "tag", "n": "x", "v": value, "to": "top"} for value in (1, [], {})),
        *({**point("x"), "to": to} for to in (5, ["top"], {"id": "top"}, True)),
    ]  # fmt: skip
    leaf.say(*odd, point(1, "top"))
    assert values(api, "top") == [1]
    assert values(api, "leaf") == []
    assert api.get("/runs/top").json()["tags"] == {}


def test_one_above_that_has_ended_takes_points_and_tags_as_it_does_from_its_owner(
    api: TestClient, leaf: Sender
) -> None:
    api.post("/runs/top/events", json={"type": "complete"})
    leaf.say(point(1, "top"), {"k": "tag", "n": "late", "v": "1", "to": "top"})
    assert values(api, "top") == [1]
    assert api.get("/runs/top").json()["tags"] == {"late": "1"}
    assert api.patch("/runs/top", json={"tags": {"owner": "1"}}).status_code == 200
