"""The working directory of a job: a private copy of its snapshot."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

_CHUNK = 1 << 24


def fill(work: str, snapshot: Optional[str]) -> None:
    """Create the directory with the snapshot's files, `outputs` and `logs`; an old one is deleted.

    Args:
        work: The directory to create.
        snapshot: The node's copy of the snapshot, or None for an empty directory.
    """
    try:
        os.mkdir(work, 0o755)
    except FileExistsError:  # left by a start that died before its claim
        import shutil

        shutil.rmtree(work)
        os.mkdir(work, 0o755)
    if snapshot is not None:
        _copy_folder(snapshot, work)
    for name in ("outputs", "logs"):  # v1 scripts write there without making them
        try:
            os.mkdir(f"{work}/{name}", 0o755)
        except FileExistsError:
            continue


def _copy_folder(source: str, target: str) -> None:
    with os.scandir(source) as entries:
        for entry in entries:
            copy = f"{target}/{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                os.mkdir(copy, 0o755)
                _copy_folder(entry.path, copy)
            else:
                _copy_file(entry.path, copy)


def _copy_file(source: str, target: str) -> None:
    read = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
    try:
        mode = os.fstat(read).st_mode & 0o777
        write = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode | 0o600)
        try:
            while os.sendfile(write, read, None, _CHUNK):
                pass
        finally:
            os.close(write)
    finally:
        os.close(read)
