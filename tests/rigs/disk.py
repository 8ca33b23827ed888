"""A disk of its own: small enough to be filled, or one whose power can be cut."""

import os
import shutil
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


class CutDisk:
    """An ext4 file system in a file, mounted at `folder`.

    A copy of the file while it is mounted has what was synced, and of the rest what the kernel had
    written back by then: what a disk has after a power cut.
    """

    def __init__(self, folder: Path, image: Path, megabytes: int) -> None:
        self.folder, self._image = folder, image
        with image.open("wb") as file:
            file.truncate(megabytes << 20)
        _run("mkfs.ext4", "-q", "-F", image)
        folder.mkdir()
        self._mount()

    def copy(self) -> Path:
        """What a power cut would leave now. Nothing should write meanwhile."""
        left = self._image.with_suffix(".left")
        shutil.copyfile(self._image, left)
        return left

    def put_back(self, left: Path) -> None:
        """Mount what was left in place of what is there; the journal is played back."""
        self.unmount()
        left.replace(self._image)
        self._mount()

    def unmount(self) -> None:
        """Nobody may use it any more."""
        _run("umount", self.folder)

    def _mount(self) -> None:
        _run("mount", "-o", "loop", self._image, self.folder)


@contextmanager
def cut_disk(folder: Path, megabytes: int = 96) -> Iterator[CutDisk]:
    missing.root("a disk whose power can be cut")
    disk = CutDisk(folder, folder.with_suffix(".img"), megabytes)
    try:
        yield disk
    finally:
        disk.unmount()


def _run(*command: str | Path) -> None:
    subprocess.run([os.fspath(word) for word in command], check=True)
