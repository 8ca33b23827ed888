"""Snapshots: fetched once a node, checked, and given to each job as its own copy."""

import time
from pathlib import Path

import pytest

from tests.integration.agent.fake_service import FakeService, archive
from tests.integration.agent.rig import Agent, job
from tests.rigs.waiting import until


@pytest.fixture
def told(agent: Agent, service: FakeService) -> Agent:
    agent.ask("configure", service=service.address)
    return agent


FILES = {"main.py": b"print(open('data/x').read())", "data/x": b"42"}


def test_fifty_jobs_fetch_it_once(told: Agent, service: FakeService) -> None:
    snapshot = service.add_snapshot(FILES)
    jobs = [job(f"f{k}-1", script="main.py", snapshot=snapshot) for k in range(50)]
    told.submit(*jobs)
    assert {told.evidence(one["name"])["tail"] for one in jobs} == {"42\n"}
    assert service.requests[f"/api/v1/snapshots/{snapshot}/archive"] == 1


def test_a_job_cannot_spoil_it_for_the_next(told: Agent, service: FakeService) -> None:
    snapshot = service.add_snapshot({**FILES, "main.py": b"print(open('data/x', 'a').write('!'))"})
    for k in range(2):
        told.run(job(f"s{k}-1", script="main.py", snapshot=snapshot))
        assert (told.folder(f"s{k}-1") / "work/data/x").read_text() == "42!"
    assert (told.root / "snapshots" / snapshot / "data/x").read_text() == "42"


def test_it_waits_for_a_service_that_is_away(told: Agent, service: FakeService) -> None:
    snapshot = service.add_snapshot(FILES)
    service.is_away = True
    told.submit(job("wait-1", script="main.py", snapshot=snapshot), job("go-1", command="exit 0"))
    told.evidence("go-1")  # it holds up nobody else
    assert told.observe("wait-1")["state"] == "created"
    service.is_away = False
    assert told.evidence("wait-1")["exit_code"] == 0


def test_one_that_the_service_does_not_know_ends_the_job(told: Agent) -> None:
    ended = told.run(job("none-1", script="main.py", snapshot="0" * 64))
    assert ended["reason"].startswith("cannot start: snapshot 0000")
    assert "no such" in ended["reason"]


def test_stopped_while_it_is_fetched_the_job_never_starts(
    told: Agent, service: FakeService
) -> None:
    snapshot = service.add_snapshot(FILES)
    service.is_away = True
    told.submit(job("gone-1", script="main.py", snapshot=snapshot))
    time.sleep(0.1)
    told.stop("gone-1")
    service.is_away = False
    assert told.evidence("gone-1")["reason"] == "stopped"
    until(lambda: (told.root / "snapshots" / snapshot).exists(), "the snapshot is there")
    time.sleep(0.2)
    assert not (told.folder("gone-1") / "work").exists()


@pytest.mark.parametrize("what", ["", "/archive"])
def test_an_answer_that_breaks_off_is_asked_for_again(
    told: Agent, service: FakeService, what: str
) -> None:
    snapshot = service.add_snapshot(FILES)
    path = f"/api/v1/snapshots/{snapshot}{what}"
    service.breaks_off_at.add(path)
    told.submit(job("half-1", script="main.py", snapshot=snapshot))
    until(lambda: service.requests[path] > 1, "it asks again")
    assert told.observe("half-1")["state"] == "created"
    service.breaks_off_at.clear()
    assert told.evidence("half-1")["tail"] == "42\n"


@pytest.mark.parametrize("wrong", ["other bytes", "another file", "a missing file"])
def test_what_is_not_what_was_asked_for_is_never_used(
    told: Agent, service: FakeService, tmp_path: Path, wrong: str
) -> None:
    snapshot = service.add_snapshot(FILES)
    manifest, right = service.archives[snapshot]
    files = {
        "other bytes": {**FILES, "data/x": b"43"},
        "another file": {**FILES, "../../../out": b"!"},
        "a missing file": {"main.py": FILES["main.py"]},
    }[wrong]
    service.archives[snapshot] = (manifest, archive(files))
    told.submit(job("bad-1", script="main.py", snapshot=snapshot))
    until(lambda: service.requests[f"/api/v1/snapshots/{snapshot}/archive"] > 1, "it asks again")
    assert told.observe("bad-1")["state"] == "created"
    assert not (told.root / "out").exists()
    service.archives[snapshot] = (manifest, right)
    assert told.evidence("bad-1")["tail"] == "42\n"


def test_the_cache_stays_within_its_limit_and_a_snapshot_that_went_is_fetched_again(
    told: Agent, service: FakeService
) -> None:
    limits = {"snapshots": 10_000, "environments": None}
    told.ask("configure", service=service.address, caches=limits)
    files = [{"main.py": b"print('done')", "x": bytes([k]) * 6_000} for k in range(3)]
    first, *others = (service.add_snapshot(each) for each in files)
    folder = told.root / "snapshots"
    told.run(job("one-1", script="main.py", snapshot=first))
    for k, snapshot in enumerate(others):
        told.run(job(f"next{k}-1", script="main.py", snapshot=snapshot))
    until(
        lambda: [each.name for each in folder.iterdir() if each.is_dir()] == [others[-1]],
        "the snapshots that were used before are gone",
    )
    assert told.run(job("again-1", script="main.py", snapshot=first))["tail"] == "done\n"
    assert service.requests[f"/api/v1/snapshots/{first}/archive"] == 2


def test_a_snapshot_of_a_job_that_runs_stays_whatever_the_limit(
    told: Agent, service: FakeService
) -> None:
    told.ask("configure", service=service.address, caches={"snapshots": 0})
    waits = b"import os, time\nwhile not os.path.exists('go'): time.sleep(0.02)\n"
    snapshot, other = service.add_snapshot({"main.py": waits}), service.add_snapshot(FILES)
    told.submit(job("stays-1", script="main.py", snapshot=snapshot))
    told.until("stays-1", "alive")
    told.run(job("goes-1", script="main.py", snapshot=other))
    folder = told.root / "snapshots"
    told.run(job("more-1", script="main.py", snapshot=service.add_snapshot({"main.py": b"1"})))
    until(lambda: not (folder / other).exists(), "the snapshot of the ended job is gone")
    assert (folder / snapshot / "main.py").exists()
    (told.folder("stays-1") / "work/go").touch()
    assert told.evidence("stays-1")["exit_code"] == 0
