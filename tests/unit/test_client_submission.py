"""A submission is one call, notices every change of the source, and repeats without effect."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from dispatcher import Experiment, ScriptRunConfig
from dispatcher.client.api.snapshots.hash_cache import HashCache
from dispatcher.client.api.snapshots.snapshot import Snapshots
from dispatcher.client.api.snapshots.tree import entries
from tests.unit.fake_server import serving
from tests.unit.fake_service import FakeService, script_in, workspace_of


@pytest.fixture
def fake() -> Iterator[FakeService]:
    with serving() as service:
        yield service


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return script_in(tmp_path / "source")


@pytest.fixture
def experiment(fake: FakeService, tmp_path: Path) -> Experiment:
    return Experiment(workspace_of(fake, tmp_path), "fruit")


def config_of(source: Path) -> ScriptRunConfig:
    return ScriptRunConfig(os.fspath(source), "train.py")


def content(fake: FakeService, snapshot: str, name: str = "train.py") -> bytes:
    (sha256,) = [entry[3] for entry in fake.manifests[snapshot]["files"] if entry[0] == name]
    return fake.blobs[sha256]


def test_a_submission_of_a_known_folder_is_one_call(
    fake: FakeService, experiment: Experiment, source: Path
) -> None:
    experiment.submit(config_of(source))
    parent = experiment.start_logging(snapshot_directory=None, outputs=False)
    fake.calls.clear()

    for _ in range(3):
        parent.submit_child(config_of(source))

    assert fake.calls == [("POST", "/runs")] * 3


def test_a_lost_answer_of_a_submission_makes_one_run(
    fake: FakeService, experiment: Experiment, source: Path
) -> None:
    experiment.submit(config_of(source))
    fake.recorded.clear()
    fake.failures = ["do it and hang up"]
    run = experiment.submit(config_of(source))

    assert fake.count("POST", "/runs") == 3
    assert fake.recorded == {}  # the run itself is the answer: none is remembered
    assert len(fake.runs) == 2
    assert run.id in fake.runs


def test_a_snapshot_that_the_service_has_lost_is_uploaded_and_the_call_repeated(
    fake: FakeService, experiment: Experiment, source: Path
) -> None:
    snapshot = experiment.submit(config_of(source)).get_snapshot_id()
    assert snapshot is not None
    fake.manifests.clear()
    fake.blobs.clear()

    run = experiment.submit(config_of(source))

    assert run.get_snapshot_id() == snapshot
    assert content(fake, snapshot) == b"print('hello')\n"


def test_a_changed_file_is_noticed(fake: FakeService, experiment: Experiment, source: Path) -> None:
    experiment.submit(config_of(source))
    os.utime(source / "train.py", (1, 1))
    experiment.submit(config_of(source))
    (source / "train.py").write_text("print('HELLO')\n")

    snapshot = experiment.submit(config_of(source)).get_snapshot_id()

    assert snapshot is not None
    assert content(fake, snapshot) == b"print('HELLO')\n"


@pytest.mark.parametrize(("milliseconds", "is_kept"), [(1, False), (1000, True)])
def test_a_hash_is_kept_only_if_no_later_change_can_have_the_same_time(
    source: Path, milliseconds: int, is_kept: bool
) -> None:
    changed_at = (source / "train.py").stat().st_mtime_ns
    cache = HashCache("", clock=lambda: changed_at + milliseconds * 1_000_000)
    [entry] = entries(os.fspath(source))
    first = cache.sha256(entry)
    (source / "train.py").write_text("print('HELLO')\n")  # of the same size, at the same time
    os.utime(source / "train.py", ns=(changed_at, changed_at))

    assert (cache.sha256(entry) == first) == is_kept


def test_hashes_are_kept_for_the_next_process(
    fake: FakeService, experiment: Experiment, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = source / "train.py"
    os.utime(script, (script.stat().st_mtime - 60,) * 2)
    experiment.submit(config_of(source))
    monkeypatch.setattr("dispatcher.client.api.snapshots.hash_cache._caches", {})
    monkeypatch.setattr(
        "dispatcher.client.api.snapshots.hash_cache.FileContent.of", lambda path: pytest.fail(path)
    )

    workspace = experiment.workspace
    assert Snapshots(workspace.service, workspace.data_folder).take(os.fspath(source))


def test_the_longest_name_of_an_experiment_leaves_room_in_the_ids_of_its_runs(
    fake: FakeService, tmp_path: Path, source: Path
) -> None:
    experiment = Experiment(workspace_of(fake, tmp_path), "e" * 255)
    one, two = experiment.submit(config_of(source)), experiment.submit(config_of(source))

    assert one.id != two.id
    assert len(one.id) < 240  # a job's folder is called <id>-<attempt>, and a name has 255 bytes
    assert fake.runs[one.id]["spec"]["experiment"] == "e" * 255
