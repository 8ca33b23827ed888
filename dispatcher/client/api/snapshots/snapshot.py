"""Snapshots: a folder as a manifest of hashes; only contents that the service lacks are sent."""

from __future__ import annotations

import hashlib
import json
import os

from dispatcher.client.api.snapshots.hash_cache import hash_cache
from dispatcher.client.api.snapshots.tree import entries
from dispatcher.client.errors import ServiceException, SnapshotException
from dispatcher.wire import uploads
from dispatcher.wire.errors import ContentUnreadable
from dispatcher.wire.uploads import FileContent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List

    from dispatcher.client.api.connection import ApiConnection
    from dispatcher.client.api.snapshots.hash_cache import HashCache


class Snapshots:
    """Takes snapshots for one submission; each distinct folder once.

    A snapshot that the service is known to hold is not announced to it again.

    Args:
        connection: The service.
        cache_folder: Where the hash cache lies; an unchanged file is not read again.
    """

    def __init__(self, connection: ApiConnection, cache_folder: str) -> None:
        self._connection = connection
        self._cache_path = os.path.join(cache_folder, "hashes.json")
        self._ids: Dict[str, str] = {}
        self._unannounced: List[FolderManifest] = []

    def take(self, folder: str) -> str:
        """Have the service hold the folder's snapshot and return its id.

        Raises:
            SnapshotException: The folder is missing, too large, not readable, or changes meanwhile.
        """
        if folder not in self._ids:
            root = os.path.realpath(folder)
            if root not in self._ids:
                self._ids[root] = self._require(_manifest(folder, hash_cache(self._cache_path)))
            self._ids[folder] = self._ids[root]
        return self._ids[folder]

    def announce(self) -> bool:
        """Announce the snapshots that `take` did not, because the service was known to hold them.

        Returns:
            Whether there were any.
        """
        manifests, self._unannounced = self._unannounced, []
        for manifest in manifests:
            self._connection.held_snapshots.discard(manifest.id)
            self._require(manifest)
        return bool(manifests)

    def _require(self, manifest: FolderManifest) -> str:
        held = self._connection.held_snapshots
        if manifest.id in held:
            self._unannounced.append(manifest)
        else:
            self._upload(manifest)
            held.add(manifest.id)
        return manifest.id

    def _upload(self, manifest: FolderManifest) -> None:
        def register() -> List[str]:
            body = {"files": manifest.files}
            missing: List[str] = self._connection.ask("/snapshots", body)["missing"]
            return missing

        try:
            uploads.upload(self._connection, manifest.contents, register)
        except ContentUnreadable as error:
            raise SnapshotException(
                f"{error.path}: {error.reason}. Name it in .amlignore if the run does not need it."
            ) from error
        except ServiceException as error:
            if error.status_code != 422:
                raise
            raise SnapshotException(error.message, inner_exception=error) from error


class FolderManifest:
    """What is in a folder.

    Attributes:
        files: `[path, mode, size, sha256]` of each file, sorted by path.
        contents: The files' contents by hash.
        id: The snapshot's id at the service.
    """

    def __init__(self, files: List[List[Any]], contents: Dict[str, FileContent]) -> None:
        self.files = files
        self.contents = contents
        self.id = snapshot_id(files)


def snapshot_id(files: List[List[Any]]) -> str:
    """The id that a manifest has at the service."""
    text = json.dumps({"files": files}, separators=(",", ":"), ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _manifest(folder: str, cache: HashCache) -> FolderManifest:
    files: List[List[Any]] = []
    contents: Dict[str, FileContent] = {}
    for entry in entries(folder):
        _check_name(entry.path)
        mode = 0o755 if entry.stat.st_mode & 0o100 else 0o644
        sha256 = cache.sha256(entry)
        files.append([entry.path, mode, entry.stat.st_size, sha256])
        contents[sha256] = FileContent(entry.real, entry.stat.st_size, sha256)
    cache.save()
    return FolderManifest(files, contents)


def _check_name(path: str) -> None:
    try:
        path.encode("utf-8")
    except UnicodeEncodeError as error:
        raise SnapshotException(
            f"The name {path!r} is not UTF-8; rename the file, or name it in .amlignore."
        ) from error
