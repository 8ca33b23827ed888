"""The files of a SQLite database after a power cut, or damaged: what was acknowledged is there, or
the store refuses to open and says why.
"""

import random
import shutil
from pathlib import Path

import pytest

from dispatcher.core.errors import StoreUnavailable
from dispatcher.store.sql import SqlStore

KEYS = [f"k{number}" for number in range(40)]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """The files as a power cut leaves them: copied while the store is open, nothing written back
    from the log.
    """
    live, copy = tmp_path / "live", tmp_path / "copy"
    store = SqlStore(f"sqlite:///{live}/x.db")
    for key in KEYS:
        store.write(lambda tx, key=key: tx.registry.put_meta(key, key * 50))
    shutil.copytree(live, copy)
    (copy / "x.db-shm").unlink()  # memory, not disk
    store.close()
    return copy


def kept(folder: Path) -> list[str]:
    store = SqlStore(f"sqlite:///{folder}/x.db")
    try:
        return [
            key
            for key in KEYS
            if store.read(lambda tx, key=key: tx.registry.meta(key, "") == key * 50)
        ]
    finally:
        store.close()


@pytest.mark.parametrize("size", [1, 23, 24, 25, 4095, 4096, 4119, 4120, 9000])
def test_a_log_that_ends_in_a_torn_write_keeps_all_that_was_acknowledged(
    files: Path, size: int
) -> None:
    luck = random.Random(size)
    with (files / "x.db-wal").open("ab") as log:
        log.write(luck.randbytes(size))  # of a commit that nobody was told of

    assert kept(files) == KEYS


def test_a_log_that_ends_in_an_unfinished_commit_keeps_all_that_was_acknowledged(
    files: Path,
) -> None:
    log = files / "x.db-wal"
    frame = 24 + 4096
    last = log.read_bytes()[-frame:]
    with log.open("ab") as file:
        file.write(last)  # right salt, wrong place in the chain of checksums

    assert kept(files) == KEYS


@pytest.mark.parametrize("start", [0, 16, 20, 100])
def test_a_file_that_is_no_database_is_refused(files: Path, start: int) -> None:
    (files / "x.db-wal").unlink()
    database = files / "x.db"
    whole = bytearray(database.read_bytes())
    whole[start : start + 16] = bytes(16) if start < 100 else b"\xff" * 16
    database.write_bytes(whole)

    with pytest.raises(StoreUnavailable, match="database"):
        kept(files)
