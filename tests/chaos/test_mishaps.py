"""Fifty mishaps of folders and machines between the submission and the end of two hundred runs."""

import json
import os
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from dispatcher.client.api import service
from dispatcher.wire.address import Address
from tests.chaos.mishaps import Project
from tests.rigs import missing

MISHAPS = int(os.environ.get("CHAOS_MISHAPS") or 50)
pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own, so that it can be full."""
    missing.root("a disk that can be full")
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256m,mode=755", "none", str(folder)]
    subprocess.run(mount, check=True)
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_runs_end_rightly_or_say_why_not_whatever_happens_to_the_project(
    disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISPATCHER_HOME", str(tmp_path / "home"))
    seed = int(os.environ.get("CHAOS_SEED") or int.from_bytes(os.urandom(3), "big"))
    project = Project(disk, seed)
    try:
        project.submit()
        for _ in range(MISHAPS - 1):
            project.suffer()
            project.submit()
        project.suffer()
        judge(project, seed)
    finally:
        project.close()


def test_a_client_that_trusts_a_port_is_found_out(
    disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISPATCHER_HOME", str(tmp_path / "home"))
    project = Project(disk, 1)

    def trusting(data_folder: str) -> Address | None:
        file = Path(data_folder) / "service.json"
        facts = json.loads(file.read_text()) if file.exists() else None
        return Address(facts["url"], None, facts["token"]) if facts else None

    try:
        project.submit()
        monkeypatch.setattr(service, "find", trusting)
        project.stranger_at_the_port()
        assert "a stranger was given a token" in project.faults
    finally:
        project.close()


def judge(project: Project, seed: int) -> None:
    workspace = project.workspace
    runs = [workspace.get_run(run_id) for run_id in project.runs]
    for run in runs:
        run.wait_for_completion(raise_on_error=False, timeout=300)
    starts, ends = Counter[tuple[str, int]](), Counter[str]()
    for run_id, attempt, what in project.effects.read():
        if what == "start":
            starts[run_id, attempt] += 1
        else:
            ends[run_id] += 1
    statuses = Counter(run.get_status() for run in runs)
    print(f"\nseed {seed}: {dict(project.happened)}; {dict(statuses)}")
    print("refused, and done again:", *Counter(project.refusals).most_common(), sep="\n  ")
    assert project.faults == []
    assert [each for each, count in starts.items() if count > 1] == []
    for run in runs:
        if run.get_status() == "Completed":
            assert ends[run.id] >= 1, run.id
        else:
            error = run.get_details()["error"]
            assert error["error"]["message"], run.id
