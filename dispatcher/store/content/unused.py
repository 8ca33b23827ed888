"""Deleting contents and logs that nothing uses, beside those who begin to use them.

Whoever relies on a content touches its file first (`Blobs.missing`). Whoever deletes one renames
it first, and looks at its time only then. So either the touch fails, because the file is renamed
already: then the content is missing, and is uploaded again. Or the deletion sees the touch, and
renames the file back. A kill between the two leaves the file renamed; it is renamed back at the
next start (`restore_all`). Readers find a renamed file as well.
"""

import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dispatcher.store.content.blobs import ASIDE, aside
from dispatcher.store.content.disk import sync_folder

_NAME = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class StoredFile:
    """A file named by a hash.

    Attributes:
        key: The hash.
        size: Bytes.
        used_at: When it was used last, in seconds since the epoch.
    """

    key: str
    size: int
    used_at: float


class HashedFiles:
    """The files of a folder that are named by hashes, in subfolders by the first two digits.

    Args:
        folder: The folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def prefixes(self) -> list[str]:
        """The first two digits of the hashes that are there."""
        with os.scandir(self._folder) as entries:
            return sorted(entry.name for entry in entries if len(entry.name) == 2)

    def list(self, prefix: str) -> list[StoredFile]:
        """The files whose hashes start with these two digits."""
        return [
            StoredFile(name, status.st_size, status.st_mtime)
            for name, status in self._scan(prefix)
            if _NAME.fullmatch(name)
        ]

    def set_aside(self, key: str) -> float | None:
        """Rename a file, and return when it was used last; None if it is not there."""
        place = aside(self._path(key))
        try:
            os.rename(self._path(key), place)
            return os.stat(place).st_mtime
        except FileNotFoundError:
            return None

    def restore(self, key: str) -> None:
        """Rename a file back. One that was stored anew meanwhile is as good, and stays."""
        place = aside(self._path(key))
        with contextlib.suppress(FileNotFoundError, FileExistsError):
            os.link(place, self._path(key))
        self.discard(key)

    def discard(self, key: str) -> None:
        """Delete a file that was set aside."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(aside(self._path(key)))

    def restore_all(self) -> int:
        """Rename back what a killed process left set aside; how many files that were."""
        keys = [
            name.removesuffix(ASIDE)
            for prefix in self.prefixes()
            for name, _ in self._scan(prefix)
            if name.endswith(ASIDE)
        ]
        for key in keys:
            self.restore(key)
        return len(keys)

    def delete_leftovers(self, before: float) -> None:
        """Delete files that a killed process was writing, unless they are newer."""
        for prefix in self.prefixes():
            for name, status in self._scan(prefix):
                if name.endswith(".new") and status.st_mtime < before:
                    (self._folder / prefix / name).unlink(missing_ok=True)

    def sync(self, prefixes: "set[str]") -> None:
        """Return once what was renamed and deleted below these would be so after a power cut."""
        for prefix in prefixes:
            sync_folder(self._folder / prefix)

    def _scan(self, prefix: str) -> Iterator[tuple[str, os.stat_result]]:
        with contextlib.suppress(FileNotFoundError), os.scandir(self._folder / prefix) as entries:
            for entry in list(entries):
                with contextlib.suppress(FileNotFoundError):
                    yield entry.name, entry.stat(follow_symlinks=False)

    def _path(self, key: str) -> str:
        return str(self._folder / key[:2] / key)
