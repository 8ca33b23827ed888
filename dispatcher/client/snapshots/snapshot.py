"""Snapshots: a folder as a manifest of hashes; only contents that the service lacks are sent."""

from __future__ import annotations

import hashlib
import json
import os

from dispatcher.client.errors import ServiceException, SnapshotException
from dispatcher.client.snapshots.tree import entries
from dispatcher.wire import uploads
from dispatcher.wire.errors import ContentUnreadable
from dispatcher.wire.uploads import FileContent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Tuple

    from dispatcher.client.api.connection import ApiConnection
    from dispatcher.client.snapshots.tree import Entry


class Snapshots:
    """Takes snapshots for one submission; each distinct folder once.

    Args:
        connection: The service.
        cache_folder: Where the hash cache lies; an unchanged file is not read again.
    """

    def __init__(self, connection: ApiConnection, cache_folder: str) -> None:
        self._connection = connection
        self._cache_path = os.path.join(cache_folder, "hashes.json")
        self._taken: Dict[str, str] = {}

    def take(self, folder: str) -> str:
        """Have the service hold the folder's snapshot and return its id.

        Raises:
            SnapshotException: The folder is missing, too large, not readable, or changes meanwhile.
        """
        if folder not in self._taken:
            root = os.path.realpath(folder)
            if root not in self._taken:
                self._taken[root] = self._upload(folder)
            self._taken[folder] = self._taken[root]
        return self._taken[folder]

    def _upload(self, folder: str) -> str:
        files, contents = _manifest(entries(folder), HashCache(self._cache_path))

        def register() -> List[str]:
            missing: List[str] = self._connection.ask("/snapshots", {"files": files})["missing"]
            return missing

        try:
            uploads.upload(self._connection, contents, register)
        except ContentUnreadable as error:
            raise SnapshotException(
                f"{error.path}: {error.reason}. Name it in .amlignore if the run does not need it."
            ) from error
        except ServiceException as error:
            if error.status_code != 422:
                raise
            raise SnapshotException(error.message, inner_exception=error) from error
        return snapshot_id(files)


class HashCache:
    """Hashes of files by path, size, time of change and inode.

    Args:
        path: The cache's file; a missing or broken one is an empty one.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._known: Dict[str, List[Any]] = _read_json(path)
        self._changed = False

    def sha256(self, entry: Entry) -> str:
        """The hash of a file. Raises SnapshotException when it cannot be read."""
        facts = entry.stat
        key = [facts.st_size, facts.st_mtime_ns, facts.st_ino]
        known = self._known.get(entry.real)
        if known is not None and known[:3] == key:
            return str(known[3])
        try:
            sha256 = FileContent.of(entry.real).sha256
        except ContentUnreadable as error:
            raise SnapshotException(
                f"{error.path} cannot be read ({error.reason}); change its mode, or name it in "
                ".amlignore."
            ) from error
        self._known[entry.real] = [*key, sha256]
        self._changed = True
        return sha256

    def save(self) -> None:
        """Write what is new. The cache is a help only: what goes wrong here is not told."""
        if not self._changed:
            return
        part = f"{self._path}.{os.getpid()}"
        try:
            os.makedirs(os.path.dirname(self._path), exist_ok=True)
            with open(part, "w", encoding="utf-8", errors="surrogateescape") as file:
                json.dump(self._known, file)
            os.replace(part, self._path)
        except OSError:
            return


def snapshot_id(files: List[List[Any]]) -> str:
    """The id that a manifest has at the service."""
    text = json.dumps({"files": files}, separators=(",", ":"), ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _manifest(
    found: List[Entry], cache: HashCache
) -> Tuple[List[List[Any]], Dict[str, FileContent]]:
    files, contents = [], {}
    for entry in found:
        _check_name(entry.path)
        mode = 0o755 if entry.stat.st_mode & 0o100 else 0o644
        sha256 = cache.sha256(entry)
        files.append([entry.path, mode, entry.stat.st_size, sha256])
        contents[sha256] = FileContent(entry.real, entry.stat.st_size, sha256)
    cache.save()
    return files, contents


def _check_name(path: str) -> None:
    try:
        path.encode("utf-8")
    except UnicodeEncodeError as error:
        raise SnapshotException(
            f"The name {path!r} is not UTF-8; rename the file, or name it in .amlignore."
        ) from error


def _read_json(path: Optional[str]) -> Dict[str, List[Any]]:
    try:
        with open(path or "", encoding="utf-8", errors="surrogateescape") as file:
            told: Dict[str, List[Any]] = json.load(file)
            return told
    except (OSError, ValueError):
        return {}
