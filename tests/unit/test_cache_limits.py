"""The caches of a node stay within their limits, and lose nothing that is in use."""

import hashlib
import json
import os
from pathlib import Path

import pytest

from dispatcher.agent.builds.environment_cache import EnvironmentCache
from dispatcher.agent.cache_limits import CacheEntry, surplus
from dispatcher.agent.snapshot_cache import SnapshotCache


@pytest.mark.parametrize(
    ("limit", "in_use", "gone"),
    [
        (None, (), []),
        (60, (), []),
        (59, (), ["old"]),
        (40, ("old",), ["older than new"]),
        (0, ("new",), ["old", "older than new"]),
        (0, (), ["old", "older than new", "new"]),
    ],
)
def test_the_least_recently_used_go_first_and_those_in_use_stay(
    limit: int | None, in_use: tuple[str, ...], gone: list[str]
) -> None:
    cached = [CacheEntry("new", 30, 3.0), CacheEntry("old", 10, 1.0),
              CacheEntry("older than new", 20, 2.0)]  # fmt: skip
    assert surplus(cached, limit, in_use) == gone


def a_snapshot(folder: Path, letter: str, used_at: float) -> str:
    """A snapshot of one file of 100 bytes; its id."""
    manifest = {"files": [["f", 0o644, 100, letter * 64]]}
    text = json.dumps(manifest, separators=(",", ":"), sort_keys=True)
    name = hashlib.sha256(text.encode()).hexdigest()
    (folder / name).mkdir(parents=True)
    (folder / name / "f").write_bytes(letter.encode() * 100)
    record = folder / f"{name}.json"
    record.write_text(text)
    os.utime(record, (used_at, used_at))
    return name


def test_a_snapshot_that_goes_is_not_there_and_a_used_one_is_the_newest(tmp_path: Path) -> None:
    trash, folder = tmp_path / "trash", tmp_path / "snapshots"
    trash.mkdir()
    a, b, c = (a_snapshot(folder, letter, 1000.0 + k) for k, letter in enumerate("abc"))
    snapshots = SnapshotCache(str(folder), lambda _snapshot, _error: None)
    assert snapshots.has(a)
    assert snapshots.evict(300, (), str(trash)) == []
    [moved] = snapshots.evict(200, (), str(trash))
    assert os.path.basename(moved).startswith(b)
    assert (snapshots.has(a), snapshots.has(b), snapshots.has(c)) == (True, False, True)
    assert not (folder / f"{b}.json").exists()
    assert snapshots.evict(0, (c,), str(trash)) != []
    assert (snapshots.has(a), snapshots.has(c)) == (False, True)


def an_environment(folder: Path, name: str, used_at: float) -> str:
    python = folder / name / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("")
    record = folder / f"{name}.json"
    record.write_text(json.dumps({"python": str(python), "size": 100}))
    os.utime(record, (used_at, used_at))
    return str(python)


def test_an_environment_stays_while_an_interpreter_of_it_is_in_use(tmp_path: Path) -> None:
    trash, folder = tmp_path / "trash", tmp_path / "environments"
    trash.mkdir()
    pythons = [an_environment(folder, name, 1000.0 + k) for k, name in enumerate("abc")]
    cache = EnvironmentCache(str(folder), "python", {}, lambda _name: True, lambda _n, _f: None)
    assert cache.python("b") == pythons[1]
    moved = cache.evict(100, {pythons[0]}, str(trash))
    assert sorted(os.path.basename(each)[0] for each in moved) == ["b", "c"]
    assert cache.python("a") == pythons[0]
    assert cache.python("c") is None


def test_an_environment_of_an_earlier_release_is_measured(tmp_path: Path) -> None:
    trash, folder = tmp_path / "trash", tmp_path / "environments"
    trash.mkdir()
    python = an_environment(folder, "a", 1000.0)
    Path(python).write_bytes(b"x" * 50_000)
    (folder / "a.json").write_text(json.dumps({"python": python}))
    cache = EnvironmentCache(str(folder), "python", {}, lambda _name: True, lambda _n, _f: None)
    assert cache.evict(60_000, (), str(trash)) == []
    assert len(cache.evict(40_000, (), str(trash))) == 1
