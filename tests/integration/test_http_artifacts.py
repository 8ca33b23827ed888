"""Files of runs over HTTP: who may write and read them, which names there are, how they come."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient

from dispatcher.server.wiring import Application
from dispatcher.store.content.blobs import Blobs
from dispatcher.store.content.uploads import Uploads
from tests.integration.http_service import JSON, spec, submit


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def part(
    api: TestClient, data: bytes, start: int = 0, end: int | None = None, **more: Any
) -> dict[str, Any]:
    query = {"size": len(data), "offset": start}
    url = f"/blobs/{sha(data)}/parts"
    answer = api.put(url, params=query, content=data[start:end], **more)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def register(api: TestClient, run: str, name: str, data: bytes, **more: Any) -> Any:
    entry = {"name": name, "sha256": sha(data), "size": len(data)}
    body = json.dumps({"artifacts": [entry]})  # the test client's own JSON lacks lone surrogates
    headers = {**JSON, **more.pop("headers", {})}
    return api.post(f"/runs/{run}/artifacts", content=body, headers=headers, **more)


def keep(api: TestClient, run: str, name: str, data: bytes = b"x") -> None:
    part(api, data)
    answer = register(api, run, name, data)
    assert answer.json() == {"missing": [], "registered": 1}, answer.text


def names(api: TestClient, run: str, **query: Any) -> list[str]:
    told = api.get(f"/runs/{run}/artifacts", params=query).json()
    return [artifact["name"] for artifact in told["artifacts"]]


def test_a_file_comes_back_as_it_was_and_can_do_no_harm_in_a_browser(api: TestClient) -> None:
    submit(api, spec("back"))
    keep(api, "back", "outputs/é 1.html", b"<script>")
    answer = api.get("/runs/back/artifacts/outputs/é 1.html")
    assert answer.content == b"<script>"
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''%C3%A9%201.html"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"].startswith("sandbox")
    assert api.get("/runs/back/artifacts/outputs").status_code == 404


@pytest.mark.parametrize(
    ("asked", "status", "got"),
    [
        ("bytes=0-3", 206, b"0123"),
        ("bytes=8-", 206, b"89"),
        ("bytes=-3", 206, b"789"),
        ("bytes=0-99", 200, b"0123456789"),
        ("bytes=10-", 416, b""),
        ("bytes=5-2", 416, b""),
        ("bytes=0-1,4-5", 200, b"0123456789"),
        ("lines=1-2", 200, b"0123456789"),
    ],
)
def test_a_range_of_a_file_is_answered(
    api: TestClient, asked: str, status: int, got: bytes
) -> None:
    submit(api, spec("range"))
    keep(api, "range", "digits", b"0123456789")
    answer = api.get("/runs/range/artifacts/digits", headers={"Range": asked})
    assert (answer.status_code, answer.content) == (status, got)


def test_the_same_name_with_another_content_is_refused_naming_both(api: TestClient) -> None:
    submit(api, spec("twice"))
    keep(api, "twice", "model", b"one")
    keep(api, "twice", "model", b"one")
    part(api, b"two")
    answer = register(api, "twice", "model", b"two")
    assert answer.status_code == 409
    assert sha(b"one") in answer.text
    assert sha(b"two") in answer.text
    assert api.get("/runs/twice/artifacts/model").content == b"one"


def test_nothing_is_registered_before_its_content_is_there(api: TestClient) -> None:
    submit(api, spec("before"))
    answer = register(api, "before", "a", b"not uploaded")
    assert answer.json() == {"missing": [sha(b"not uploaded")], "registered": 0}
    assert names(api, "before") == []


@pytest.mark.parametrize(
    "name",
    ["", "/etc/passwd", "../x", "a/../../x", "a//b", "./a", "a/.", "a\\b", "C:x", "a\0b", "a\nb",
     "x" * 1025, "\ud800"],
)  # fmt: skip
def test_a_name_that_could_leave_a_folder_is_refused(api: TestClient, name: str) -> None:
    submit(api, spec("names"))
    part(api, b"x")
    assert register(api, "names", name, b"x").status_code == 422
    assert names(api, "names") == []


@pytest.mark.parametrize("name", ["a b", "ä/ö", "-", "a?b#c", "x" * 1024, "..."])
def test_a_name_that_stays_in_a_folder_is_taken_as_it_is(api: TestClient, name: str) -> None:
    submit(api, spec("odd"))
    keep(api, "odd", name, name.encode())
    assert name in names(api, "odd")
    assert api.get(f"/runs/odd/artifacts/{quote(name)}").content == name.encode()


def test_files_are_listed_by_prefix_and_page_by_page(api: TestClient) -> None:
    submit(api, spec("pages"))
    for number in range(5):
        keep(api, "pages", f"outputs/{number}")
    keep(api, "pages", "outputs2")
    assert names(api, "pages", prefix="outputs/") == [f"outputs/{n}" for n in range(5)]
    first = api.get("/runs/pages/artifacts", params={"limit": 4}).json()
    assert names(api, "pages", after=first["next"]) == ["outputs/4", "outputs2"]


def test_a_run_writes_the_files_of_itself_and_below_alone_and_reads_those_of_its_workspace(
    api: TestClient, application: Application
) -> None:
    submit(api, spec("f-top"), spec("f-stranger"))
    submit(api, spec("f-mine", parent_id="f-top"))
    submit(api, spec("f-below", parent_id="f-mine"))
    token = application.services.access.run_token("f-mine", 1)
    headers = {"Authorization": f"Bearer {token}"}
    part(api, b"x", headers=headers)
    for run in ("f-mine", "f-below"):
        assert register(api, run, "a", b"x", headers=headers).status_code == 200
        assert api.get(f"/runs/{run}/artifacts/a", headers=headers).status_code == 200
    for run in ("f-top", "f-stranger"):
        assert register(api, run, "a", b"x", headers=headers).status_code == 403
        keep(api, run, "b")
        assert api.get(f"/runs/{run}/artifacts", headers=headers).status_code == 200
        assert api.get(f"/runs/{run}/artifacts/b", headers=headers).content == b"x"


def test_an_ended_run_takes_files_from_the_owner_and_from_the_agent_of_its_target(
    api: TestClient, application: Application
) -> None:
    submit(api, spec("ended", interactive=False, command="true", target="still", gpus=0))
    api.post("/runs/ended/cancel")
    access = application.services.access
    keep(api, "ended", "of the owner")
    agent = {"Authorization": f"Bearer {access.agent_token('still')}"}
    other = {"Authorization": f"Bearer {access.agent_token('local')}"}
    own = {"Authorization": f"Bearer {access.run_token('ended', 1)}"}
    assert register(api, "ended", "of the agent", b"x", headers=agent).status_code == 200
    assert register(api, "ended", "of another", b"x", headers=other).status_code == 403
    assert names(api, "ended") == ["of the agent", "of the owner"]
    run = api.get("/runs/ended").json()
    if run["terminal"]:
        assert register(api, "ended", "of the run", b"x", headers=own).status_code == 401


def test_a_content_comes_in_parts_that_may_be_sent_again(api: TestClient) -> None:
    data = os.urandom(100_000)
    assert part(api, data, 0, 0) == {"held": 0, "complete": False}
    assert part(api, data, 0, 40_000)["held"] == 40_000
    assert part(api, data, 50_000, 60_000)["held"] == 40_000  # it would leave a gap
    assert part(api, data, 30_000, 70_000)["held"] == 70_000
    assert part(api, data, 0, 40_000)["held"] == 70_000
    assert part(api, data, 70_000) == {"held": 100_000, "complete": True}
    assert part(api, data, 0, 0) == {"held": 100_000, "complete": True}


def test_parts_that_make_another_content_are_refused_and_forgotten(api: TestClient) -> None:
    digest = sha(b"right")
    url = f"/blobs/{digest}/parts?size=5&offset=0"
    assert api.put(url, content=b"wrong").status_code == 422
    assert api.put(f"{url}", content=b"").json() == {"held": 0, "complete": False}
    assert api.put(f"/blobs/{digest}/parts?size=4&offset=0", content=b"right").status_code == 422
    assert part(api, b"right")["complete"]


def test_an_upload_goes_on_where_it_was_after_a_restart_of_the_service(tmp_path: Path) -> None:
    data = os.urandom(5000)
    blobs = Blobs(str(tmp_path / "blobs"))
    first = Uploads(blobs, tmp_path / "uploads")
    assert first.take("me", sha(data), 5000, 0, data[:2000]) == 2000
    again = Uploads(blobs, tmp_path / "uploads")
    assert again.take("another", sha(data), 5000, 0, b"") == 0
    assert again.take("me", sha(data), 5000, 0, b"") == 2000
    assert again.take("me", sha(data), 5000, 2000, data[2000:]) == 5000
    assert blobs.read(sha(data)) == data
    assert list((tmp_path / "uploads").iterdir()) == []
