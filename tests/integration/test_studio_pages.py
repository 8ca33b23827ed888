"""The studio's page and assets, and the lists that it reads."""

import gzip
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from dispatcher.server import studio_pages
from dispatcher.server.app import create_app
from dispatcher.server.studio_pages import PAGES, StudioFiles
from dispatcher.server.wiring import Application
from tests.integration.http_service import MIB, frame, line, spec, submit

SCRIPT = b"console.log('studio')"


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as the build makes it."""
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<!doctype html><title>the page</title>")
    (tmp_path / "assets" / "index-abc.js").write_bytes(SCRIPT)
    (tmp_path / ".sources").write_text("hash")
    monkeypatch.setattr(studio_pages, "_FILES", StudioFiles(tmp_path))
    return tmp_path


@pytest.fixture
def page(application: Application) -> Iterator[TestClient]:
    app = create_app(application.services, max_body=MIB)
    with TestClient(app, base_url="http://127.0.0.1:8000", client=("127.0.0.1", 5000)) as client:
        yield client


@pytest.mark.parametrize("path", PAGES)
def test_every_address_of_the_studio_is_the_page_with_a_strict_policy(
    built: Path, page: TestClient, path: str
) -> None:
    answer = page.get(path.format(name="a", run_id="r"))
    assert answer.status_code == 200
    assert "the page" in answer.text
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-cache"


def test_assets_are_immutable_and_compressed(built: Path, page: TestClient) -> None:
    answer = page.get("/assets/index-abc.js", headers={"Accept-Encoding": "gzip"})
    assert answer.content == SCRIPT  # the client unpacks it
    assert answer.headers["content-encoding"] == "gzip"
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["content-type"].startswith("text/javascript")
    plain = page.get("/assets/index-abc.js", headers={"Accept-Encoding": "identity"})
    assert plain.content == SCRIPT
    assert "content-encoding" not in plain.headers


@pytest.mark.parametrize("name", ["missing.js", "..%2f.sources", "..%2findex.html", "%2e%2e"])
def test_nothing_but_assets_is_served_as_one(built: Path, page: TestClient, name: str) -> None:
    assert page.get(f"/assets/{name}").status_code == 404


def test_a_new_build_is_served_without_a_restart(built: Path, page: TestClient) -> None:
    page.get("/")
    (built / "index.html").write_text("<title>a newer page</title>")
    assert "newer" in page.get("/").text


def test_where_the_studio_is_not_built_the_page_says_how_to_build_it(
    page: TestClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(studio_pages, "_FILES", StudioFiles(tmp_path / "absent"))
    answer = page.get("/")
    assert answer.status_code == 200
    assert "make studio" in answer.text


def test_the_api_has_no_page_that_loads_scripts_of_other_sites(page: TestClient) -> None:
    assert [page.get(path).status_code for path in ("/docs", "/redoc")] == [404, 404]


def test_compressed_assets_do_not_depend_on_the_moment(built: Path) -> None:
    asset = StudioFiles(built).find("assets/index-abc.js")
    assert asset is not None
    assert gzip.decompress(asset.packed) == SCRIPT
    assert asset.packed == StudioFiles(built).find("assets/index-abc.js").packed  # type: ignore[union-attr]


def rows(api: TestClient, **query: Any) -> Any:
    answer = api.get("/overview/runs", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_experiments_show_what_is_active_and_the_last_result(api: TestClient) -> None:
    submit(api, spec("ends", experiment="shown"), spec("goes-on", experiment="shown"))
    api.post("/runs/ends/events", json={"type": "complete"})
    answer = api.get("/overview/experiments", params={"text": "SHOW"}).json()
    (shown,) = answer["experiments"]
    assert (shown["name"], shown["runs"], answer["total"]) == ("shown", 2, 1)
    assert shown["active"] == [{"target": "local", "running": 1, "waiting": 0}]
    assert shown["last_ended"]["id"] == "ends"
    assert shown["last_ended"]["status"] == "Completed"


def test_runs_are_found_sorted_and_paged(api: TestClient) -> None:
    names = ["walnut", "almond", "hazel"]
    submit(api, *(spec(f"nut-{name}", experiment="nuts", display_name=name) for name in names))
    submit(api, spec("shell", experiment="nuts", parent_id="nut-hazel", tags={"part": "hull"}))

    found = rows(api, experiment="nuts", order="name")
    assert [row["name"] for row in found["runs"]] == sorted(names)
    assert found["total"] == 3
    assert {row["id"]: row["children"] for row in found["runs"]}["nut-hazel"] == 1
    assert [row["id"] for row in rows(api, parent="nut-hazel")["runs"]] == ["shell"]
    everywhere = {"experiment": "nuts", "include_children": True}
    assert [row["id"] for row in rows(api, tag="part=hull", **everywhere)["runs"]] == ["shell"]
    assert rows(api, tag="part=other", **everywhere)["total"] == 0
    assert [row["id"] for row in rows(api, text="HULL", **everywhere)["runs"]] == ["shell"]
    for order in ("name", "newest"):
        first = rows(api, experiment="nuts", order=order, limit=2)
        second = rows(api, experiment="nuts", order=order, limit=2, cursor=first["next"])
        ids = [row["id"] for row in (*first["runs"], *second["runs"])]
        assert sorted(ids) == sorted(f"nut-{name}" for name in names)
    wrong = api.get("/overview/runs", params={"order": "name", "cursor": "1.0,5"})
    assert wrong.status_code == 422
    assert "cursor" in wrong.json()["detail"]


def test_a_run_sees_in_the_table_what_it_may_read(
    api: TestClient, application: Application
) -> None:
    submit(api, spec("own"), spec("other"))
    submit(api, spec("own-child", parent_id="own"))
    headers = {"Authorization": f"Bearer {application.services.access.run_token('own', 1)}"}
    api_rows = api.get("/overview/runs", params={"include_children": True}, headers=headers)
    assert api_rows.status_code == 200
    assert {"own", "own-child"} <= {row["id"] for row in api_rows.json()["runs"]}


def test_charts_keep_the_peak_of_a_long_history(api: TestClient) -> None:
    submit(api, spec("charted"))
    values = [0.0] * 4000
    values[1234] = 9.0
    body = b"".join(line("loss", value) for value in values) + line("other", 1.0)
    assert api.post("/spool", content=frame("charted", body)).status_code == 200
    answer = api.get("/runs/charted/charts", params={"points": 60}).json()
    loss, other = answer["series"]
    assert (loss["count"], answer["total"]) == (4000, 2)
    assert len(loss["values"]) == len(loss["times"]) == len(loss["steps"]) <= 60
    assert max(loss["values"]) == 9.0
    assert other["values"] == [1.0]
    found = api.get("/runs/charted/charts", params={"text": "OTH"}).json()
    assert [each["name"] for each in found["series"]] == ["other"]


def test_values_that_json_cannot_write_are_gaps_of_a_chart(api: TestClient) -> None:
    submit(api, spec("gaps"))
    body = b'{"n": "m", "k": "scalar", "v": NaN, "t": 1.0}\n' + line("m", 2.0)
    assert api.post("/spool", content=frame("gaps", body)).status_code == 200
    (series,) = api.get("/runs/gaps/charts").json()["series"]
    assert series["values"] == [None, 2.0]


def test_the_runs_below_are_counted_and_targets_show_what_is_active(api: TestClient) -> None:
    submit(api, spec("top"))
    submit(api, spec("mid", parent_id="top"))
    submit(api, spec("leaf", parent_id="mid"))
    assert api.get("/runs/top/below").json() == {"by_status": {"Running": 2}}
    targets = api.get("/overview/targets").json()["targets"]
    assert [each["name"] for each in targets] == sorted(each["name"] for each in targets)
    assert next(each for each in targets if each["name"] == "local")["running"] >= 3


def test_a_file_of_a_snapshot_is_an_attachment(api: TestClient) -> None:

    data = b"<script>alert(1)</script>"
    digest = hashlib.sha256(data).hexdigest()
    header = json.dumps({"sha256": digest, "size": len(data)}).encode() + b"\n"
    manifest = {"files": [["page.html", 0o644, len(data), digest]]}
    api.post("/snapshots", json=manifest)
    api.post("/blobs", content=header + data)
    snapshot = api.post("/snapshots", json=manifest).json()["id"]
    answer = api.get(f"/snapshots/{snapshot}/files/page.html")
    assert answer.content == data
    assert answer.headers["content-disposition"].startswith("attachment")
    assert "sandbox" in answer.headers["content-security-policy"]
    assert api.get(f"/snapshots/{snapshot}/files/other").status_code == 404
