"""Garbage collection deletes what nothing refers to, and nothing else, whoever comes meanwhile."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dispatcher.core.errors import NotFound, SnapshotNotFound
from dispatcher.services.collection.collected import Collected
from dispatcher.store.content.blobs import aside
from dispatcher.store.content.unused import HashedFiles
from tests.rigs.collection import OWNER, Rig, digest, rig


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Rig]:
    with rig(tmp_path) as one:
        yield one


def test_contents_of_a_deleted_run_go_and_those_that_others_have_stay(made: Rig) -> None:
    snapshot = made.take_snapshot(b"mine", b"shared")
    made.take_snapshot(b"shared", b"other")
    made.run("r", snapshot=snapshot)
    made.run("s", snapshot=made.take_snapshot(b"shared"))
    made.put_file("r", "a", b"model of r")
    made.put_file("s", "a", b"model of s")
    made.put_file("s", "b", b"model of r too")
    made.end("r", "s")
    made.deletion.delete("r", OWNER)
    assert made.collect()["contents"] == Collected()
    made.pass_days(2)
    found = made.collect()["contents"]
    kept = {made.snapshots.begin(made.manifest(b"shared"))[0]}
    kept |= {digest(each) for each in (b"shared", b"model of s", b"model of r too")}
    assert made.stored() == kept
    assert found.count == 5
    made.snapshots.require([next(iter(kept & {s.spec.snapshot for s in [made.status.get("s")]}))])


def test_a_content_without_a_reference_is_kept_for_the_grace_time(made: Rig) -> None:
    made.snapshots.put(digest(b"x"), b"x")
    made.pass_days(0.9)
    assert made.collect()["contents"] == Collected()
    assert made.blobs.missing({digest(b"x")}) == []  # asked for: it counts as used now
    made.pass_days(0.9)
    assert made.collect()["contents"] == Collected()
    made.pass_days(0.2)
    assert made.collect()["contents"] == Collected(1, 1)
    assert made.blobs.missing({digest(b"x")}) == [digest(b"x")]


def test_a_dry_run_says_what_would_go_and_deletes_nothing(made: Rig) -> None:
    made.take_snapshot(b"a", b"b")
    made.pass_days(2)
    before = made.stored()
    planned = made.collect(dry_run=True)
    assert planned["contents"].count == 3
    assert made.stored() == before
    assert made.collect()["contents"] == planned["contents"]
    assert made.stored() == set()


def test_a_snapshot_that_is_used_again_while_it_is_swept_stays_whole(
    made: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The submission relies on the snapshot between the mark and the sweep of its manifest."""
    snapshot = made.take_snapshot(b"a", b"b")
    made.pass_days(2)
    once = _once(lambda: made.snapshots.require([snapshot]))
    _before(monkeypatch, "set_aside", lambda _key: once())
    assert made.collect()["contents"] == Collected()
    assert made.snapshots.begin(made.manifest(b"a", b"b")) == (snapshot, [])
    assert b"".join(made.snapshots.archive(snapshot))


def test_a_snapshot_whose_sweep_has_begun_is_missing_and_is_uploaded_again(
    made: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The submission comes after its manifest was set aside, and before its contents are."""
    snapshot = made.take_snapshot(b"a", b"b")
    made.pass_days(2)
    seen: list[str] = []

    def submit() -> None:
        with pytest.raises(SnapshotNotFound):
            made.snapshots.require([snapshot])
        seen.append(made.take_snapshot(b"a", b"b"))

    once = _once(submit)
    _before(monkeypatch, "discard", lambda _key: once())
    made.collect()
    assert seen == [snapshot]
    made.run("r", snapshot=snapshot)
    monkeypatch.undo()
    made.collect()
    assert made.snapshots.begin(made.manifest(b"a", b"b")) == (snapshot, [])


@pytest.mark.parametrize("step", ["set_aside", "discard", "sync"])
def test_a_file_that_is_registered_while_its_content_is_swept_is_never_without_it(
    made: Rig, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    made.run("r")
    made.snapshots.put(digest(b"weights"), b"weights")
    made.pass_days(2)
    once = _once(lambda: made.put_file("r", "a", b"weights"))
    _before(monkeypatch, step, lambda _key: once())
    made.collect()
    monkeypatch.undo()
    made.pass_days(9)
    made.collect()
    artifact = made.artifacts.find("r", "a")
    assert b"".join(made.artifacts.read(artifact, 0, 7)) == b"weights"


def test_a_new_snapshot_of_contents_that_are_about_to_be_swept_is_whole(
    made: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    made.take_snapshot(b"a", b"b")
    made.pass_days(2)
    taken: list[str] = []
    once = _once(lambda: taken.append(made.take_snapshot(b"b", b"c")))
    _before(monkeypatch, "set_aside", lambda _key: once())
    made.collect()
    made.run("r", snapshot=taken[0])
    made.pass_days(2)
    monkeypatch.undo()
    made.collect()
    assert b"".join(made.snapshots.archive(taken[0]))
    assert digest(b"a") not in made.stored()


def test_what_a_killed_collection_has_set_aside_is_read_and_is_put_back(
    made: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = made.take_snapshot(b"a")
    made.pass_days(2)

    def kill(_key: object) -> None:
        raise KeyboardInterrupt

    _before(monkeypatch, "discard", kill)
    with pytest.raises(KeyboardInterrupt):
        made.collect()
    monkeypatch.undo()
    assert made.stored() >= {aside(snapshot)}
    assert made.blobs.read(snapshot).startswith(b'{"files"')  # a reader finds it
    made.collection.recover()
    assert made.stored() == {snapshot, digest(b"a")}
    made.collect()
    assert made.stored() == set()


def test_a_download_that_has_begun_ends_although_its_content_is_swept(made: Rig) -> None:
    content = os.urandom(3 << 20)
    made.run("r")
    made.put_file("r", "a", content)
    made.end("r")
    chunks = made.artifacts.read(made.artifacts.find("r", "a"), 0, len(content))
    first = next(chunks)
    made.deletion.delete("r", OWNER)
    made.pass_days(2)
    assert made.collect()["contents"] == Collected(1, len(content))
    assert first + b"".join(chunks) == content
    with pytest.raises(NotFound):
        made.artifacts.find("r", "a")


def test_contents_of_the_trials_of_an_open_sweep_stay(made: Rig) -> None:
    from dispatcher.store.retention.references_testing import sweep

    snapshot, context = made.take_snapshot(b"code"), made.take_snapshot(b"FROM x")
    made.store.write(lambda tx: tx.sweeps.put(sweep("open", snapshot, context)))
    made.pass_days(9)
    assert made.collect()["contents"] == Collected()


def test_logs_without_a_run_go_and_others_stay(made: Rig) -> None:
    for name in ("kept", "gone"):
        made.run(name)
        made.put_log(name, b"text")
    made.log_files.write("never", 1, "a.txt", 0, b"its offset was not committed")
    made.end("kept", "gone")
    made.deletion.delete("gone", OWNER)
    assert made.stored_logs() == 2
    made.clock.now += 9e8  # files of logs have the time of the disk's clock
    assert made.collect()["logs"].count == 1
    assert made.stored_logs() == 1
    assert made.tracking.read_log("kept", 1, "a.txt", 0, 9) == b"text"


def test_a_log_that_is_written_to_while_it_is_swept_stays(
    made: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    made.run("r")
    made.log_files.write("r", 1, "a.txt", 0, b"half")
    [path] = [path for path in (made.folder / "logs").rglob("*") if path.is_file()]
    os.utime(path, (1, 1))
    made.clock.now = path.parent.stat().st_mtime + 1
    once = _once(lambda: made.put_log("r", b"half and half"))
    _before(monkeypatch, "set_aside", lambda _key: once())
    assert made.collect()["logs"] == Collected()
    assert made.tracking.read_log("r", 1, "a.txt", 0, 99) == b"half and half"


def test_an_upload_that_was_cut_off_goes_after_a_week(made: Rig) -> None:
    made.uploads.take("me", digest(b"whole"), 5, 0, b"who")
    [path] = (made.folder / "uploads").iterdir()
    made.clock.now = path.stat().st_mtime + 6 * 86400
    assert made.collect()["uploads"] == Collected()
    made.clock.now += 2 * 86400
    assert made.collect(dry_run=True)["uploads"] == Collected(1, 3)
    assert made.collect()["uploads"] == Collected(1, 3)
    assert made.uploads.take("me", digest(b"whole"), 5, 3, b"le") == 0
    assert made.uploads.take("me", digest(b"whole"), 5, 0, b"whole") == 5


def test_what_came_late_for_a_deleted_run_goes_an_hour_later(made: Rig) -> None:
    made.run("r")
    made.end("r")
    made.deletion.delete("r", OWNER)
    made.store.write(lambda tx: tx.labels.set_tags("r", {"late": "1"}))  # it had found the run
    made.collect()
    assert made.store.read(lambda tx: tx.labels.tags(["r"])) == {"r": {"late": "1"}}
    made.pass_days(0.1)
    made.collect()
    assert made.store.read(lambda tx: tx.labels.tags(["r"])) == {}
    made.pass_days(100)
    assert made.collect()["deletion_records"] == Collected(1)


def _once(act: Callable[[], object]) -> Callable[[], None]:
    done: list[bool] = []

    def call() -> None:
        if not done:
            done.append(True)
            act()

    return call


def _before(monkeypatch: pytest.MonkeyPatch, method: str, act: Callable[[object], object]) -> None:
    """Do something whenever a collection comes to a step, before it."""
    original = getattr(HashedFiles, method)

    def step(self: HashedFiles, argument: object) -> object:
        act(argument)
        return original(self, argument)

    monkeypatch.setattr(HashedFiles, method, step)
