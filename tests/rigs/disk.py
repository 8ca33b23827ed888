"""A disk of its own, small enough to be filled."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.rigs import missing

_PIECE = 1 << 16


class Disk:
    """A file system of a few megabytes at `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    def fill(self) -> None:
        """Leave no byte free."""
        with suppress(OSError), self._filler.open("ab", buffering=0) as file:
            for piece in (_PIECE, 1):
                with suppress(OSError):
                    while file.write(bytes(piece)) == piece:
                        pass

    def free(self) -> None:
        """Delete what has filled it."""
        self._filler.unlink()


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Disk]:
    missing.root("a small disk of one's own")
    folder.mkdir()
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0700", "tmpfs", os.fspath(folder)],
        check=True,
    )
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "-l", os.fspath(folder)], check=True)
