"""Snapshots: a folder as a list of hashes, and only what is missing goes over the wire."""

from __future__ import annotations

import hashlib
import json
import os

from dispatcher.client import wire
from dispatcher.client.errors import SnapshotException
from dispatcher.client.snapshots.tree import entries

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterable, Iterator, List, Optional, Tuple

    from dispatcher.client.snapshots.tree import Entry
    from dispatcher.client.transport import Transport

_REQUEST = 8 << 20
_READ = 1 << 20


class Snapshots:
    """Takes snapshots for one submission; each distinct folder once.

    Args:
        transport: The service.
        cache_folder: Where the hash cache lies; an unchanged file is not read again.
    """

    def __init__(self, transport: Transport, cache_folder: str) -> None:
        self._transport = transport
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
        found = entries(folder)
        files, sources = _manifest(found, HashCache(self._cache_path))
        answer = self._transport.ask("/snapshots", {"files": files})
        if answer["missing"]:
            for body in _requests((sha256, sources[sha256]) for sha256 in answer["missing"]):
                self._transport.post_frames("/blobs", body)
            answer = self._transport.ask("/snapshots", {"files": files})
        if answer["missing"]:
            raise SnapshotException(f"Files of {folder} changed while they were being sent.")
        return str(answer["id"])


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
        made = _hash(entry.real)
        self._known[entry.real] = [*key, made]
        self._changed = True
        return made

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


def _manifest(found: List[Entry], cache: HashCache) -> Tuple[List[List[Any]], Dict[str, str]]:
    files, sources = [], {}
    for entry in found:
        _check_name(entry.path)
        mode = 0o755 if entry.stat.st_mode & 0o100 else 0o644
        sha256 = cache.sha256(entry)
        files.append([entry.path, mode, entry.stat.st_size, sha256])
        sources[sha256] = entry.real
    cache.save()
    return files, sources


def _check_name(path: str) -> None:
    try:
        path.encode("utf-8")
    except UnicodeEncodeError as error:
        raise SnapshotException(
            f"The name {path!r} is not UTF-8; rename the file, or name it in .amlignore."
        ) from error


def _requests(missing: Iterable[Tuple[str, str]]) -> Iterator[bytes]:
    """Frames of about 8 MiB; a larger file goes alone."""
    waiting: List[Tuple[Dict[str, Any], bytes]] = []
    size = 0
    for sha256, path in missing:
        data = _read_file(path)
        if waiting and size + len(data) > _REQUEST:
            yield wire.frames(waiting)
            waiting, size = [], 0
        waiting.append(({"sha256": sha256}, data))
        size += len(data)
    if waiting:
        yield wire.frames(waiting)


def _hash(path: str) -> str:
    made = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            for chunk in iter(lambda: file.read(_READ), b""):
                made.update(chunk)
    except OSError as error:
        raise _unreadable(path, error) from error
    return made.hexdigest()


def _read_file(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: str, error: OSError) -> SnapshotException:
    return SnapshotException(
        f"{path} cannot be read ({error.strerror}); change its mode, or name it in .amlignore."
    )


def _read_json(path: Optional[str]) -> Dict[str, List[Any]]:
    try:
        with open(path or "", encoding="utf-8", errors="surrogateescape") as file:
            told: Dict[str, List[Any]] = json.load(file)
            return told
    except (OSError, ValueError):
        return {}
