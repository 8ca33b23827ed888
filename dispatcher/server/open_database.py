"""The SQLite database that a service has open, and which a restored backup may replace under it."""

import os
from pathlib import Path

_JOURNALS = ("-wal", "-shm")


class OpenDatabase:
    """One database file, by its device and inode number.

    A backup that is unpacked over a data folder makes a new file under the old name. The service
    goes on with the old file, which has no name any more: what it writes there is lost.

    Args:
        path: The database; it is open.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file_id = _file_id(path)
        self._journals = self._find_journals()

    def is_replaced(self) -> bool:
        """Whether another file, or none, lies at the path. A disk's error does not count."""
        try:
            is_replaced = _file_id(self._path) != self._file_id
        except OSError:
            return False
        if not is_replaced:
            self._journals = self._find_journals()
        return is_replaced

    def remove_leftovers(self) -> None:
        """Delete the write-ahead log of the replaced file: SQLite would read it for the new one's.

        Call it once the database is closed. A log that came with the new file stays.
        """
        for path, file_id in self._journals.items():
            if file_id is not None and _file_id(path) == file_id:
                path.unlink(missing_ok=True)

    def _find_journals(self) -> dict[Path, tuple[int, int] | None]:
        paths = [self._path.with_name(self._path.name + suffix) for suffix in _JOURNALS]
        return {path: _file_id(path) for path in paths}


def _file_id(path: Path) -> tuple[int, int] | None:
    """The device and inode number; None if there is no file. Raises OSError for other failures."""
    try:
        status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return status.st_dev, status.st_ino
