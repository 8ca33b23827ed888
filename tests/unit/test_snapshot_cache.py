"""A node's snapshot cache: what cannot be stored is logged and given up after bounded attempts."""

import errno
import logging
import os
import queue
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dispatcher.agent import snapshot_archive
from dispatcher.agent.durable_folders import file_sizes, has_sizes, is_complete, write_inventory
from dispatcher.agent.snapshot_cache import SnapshotCache
from tests.integration.agent.fake_service import FakeService

WAIT_SECONDS = 30
FAILURES = 3


class Fetches:
    """A cache, and the ends of its fetches in the order in which they came."""

    def __init__(self, folder: Path, service: FakeService) -> None:
        self.ends: queue.Queue[tuple[str, str | None]] = queue.Queue()
        self.cache = SnapshotCache(
            str(folder),
            lambda snapshot, error: self.ends.put((snapshot, error)),
            max_failures=FAILURES,
            longest_pause=0.01,
        )
        self.cache.configure(service.address)

    def error_of(self, snapshot: str) -> str | None:
        """How the fetch of a snapshot ends; None: it is here."""
        self.cache.fetch(snapshot)
        ended, error = self.ends.get(timeout=WAIT_SECONDS)
        assert ended == snapshot
        return error


@pytest.fixture
def service() -> Iterator[FakeService]:
    with FakeService() as one:
        yield one


@pytest.fixture
def fetches(tmp_path: Path, service: FakeService) -> Iterator[Fetches]:
    made = Fetches(tmp_path, service)
    yield made
    made.cache.close()


def refuse_writes_of(monkeypatch: pytest.MonkeyPatch, name: str, number: int) -> None:
    """Make the file system answer this error number when a file of that name is created."""
    real = os.open

    def failing(path: Any, flags: int, *rest: Any, **options: Any) -> int:
        if os.path.basename(path) == name and flags & os.O_CREAT:
            raise OSError(number, os.strerror(number), path)
        return real(path, flags, *rest, **options)

    monkeypatch.setattr(snapshot_archive.os, "open", failing)


def test_a_full_disk_is_logged_and_ends_the_fetch_after_bounded_attempts(
    fetches: Fetches,
    service: FakeService,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    snapshot = service.add_snapshot({"main.py": b"print()"})
    refuse_writes_of(monkeypatch, "main.py", errno.ENOSPC)

    with caplog.at_level(logging.WARNING):
        error = fetches.error_of(snapshot)

    assert error is not None
    assert "No space left on device" in error
    assert service.requests[f"/api/v1/snapshots/{snapshot}/archive"] == FAILURES
    assert sum("No space left on device" in each.message for each in caplog.records) > FAILURES
    assert os.listdir(os.path.dirname(fetches.cache.path(snapshot))) == []


@pytest.mark.parametrize("number", [errno.EEXIST, errno.ENOTDIR, errno.ENAMETOOLONG])
def test_names_that_clash_on_the_file_system_end_the_fetch_at_once(
    fetches: Fetches, service: FakeService, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    snapshot = service.add_snapshot({"Main.py": b"", "main.py": b"print()"})
    refuse_writes_of(monkeypatch, "main.py", number)

    error = fetches.error_of(snapshot)

    assert error is not None
    assert "'main.py' clashes" in error
    assert service.requests[f"/api/v1/snapshots/{snapshot}/archive"] == 1


def test_a_file_below_another_file_ends_the_fetch_before_anything_is_downloaded(
    fetches: Fetches, service: FakeService
) -> None:
    snapshot = service.add_snapshot({"part": b"", "part/main.py": b""})

    error = fetches.error_of(snapshot)

    assert error == "'part' is a file, and 'part/main.py' needs a folder of that name"
    assert not service.requests[f"/api/v1/snapshots/{snapshot}/archive"]


def test_a_disk_with_space_again_takes_the_snapshot(
    fetches: Fetches, service: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = service.add_snapshot({"main.py": b"print()"})
    with monkeypatch.context() as full:
        refuse_writes_of(full, "main.py", errno.ENOSPC)
        assert fetches.error_of(snapshot) is not None

    assert fetches.error_of(snapshot) is None
    assert fetches.cache.has(snapshot)


def test_a_folder_without_a_manifest_is_used_if_its_contents_are_right(
    fetches: Fetches, service: FakeService
) -> None:
    snapshot = service.add_snapshot({"main.py": b"print()", "data/x": b"42"})
    assert fetches.error_of(snapshot) is None
    Path(f"{fetches.cache.path(snapshot)}.json").unlink()
    again = Fetches(Path(fetches.cache.path(snapshot)).parent, service)

    assert not again.cache.has(snapshot)
    assert again.error_of(snapshot) is None
    assert again.cache.has(snapshot)
    assert service.requests[f"/api/v1/snapshots/{snapshot}/archive"] == 1


def test_a_folder_without_a_manifest_is_fetched_again_if_a_file_is_empty(
    fetches: Fetches, service: FakeService
) -> None:
    snapshot = service.add_snapshot({"main.py": b"print()"})
    assert fetches.error_of(snapshot) is None
    folder = Path(fetches.cache.path(snapshot))
    Path(f"{folder}.json").unlink()
    (folder / "main.py").write_bytes(b"")
    again = Fetches(folder.parent, service)

    assert again.error_of(snapshot) is None
    assert (folder / "main.py").read_bytes() == b"print()"


def test_an_inventory_tells_a_changed_folder_from_a_complete_one(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/b").write_bytes(b"12")
    assert not is_complete(str(tmp_path))
    write_inventory(str(tmp_path))
    assert is_complete(str(tmp_path))
    assert file_sizes(str(tmp_path)) == {"a/b": 2}
    (tmp_path / "a/b").write_bytes(b"")
    assert not is_complete(str(tmp_path))
    assert not has_sizes(str(tmp_path), {"a": (tmp_path / "a").stat().st_size})
