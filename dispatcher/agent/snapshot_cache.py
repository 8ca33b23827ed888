"""The node's snapshots: each is fetched once, checked file by file, and stored under its id.

    <snapshots>/<id>/          the files
    <snapshots>/<id>.json      the manifest, written before the files appear under their name

Files and manifest are synced before they count. When a snapshot is first used after a start, its
files are compared with the sizes in the manifest. A folder without a manifest comes from a version
that did not sync; its contents are compared with the hashes.
"""

from __future__ import annotations

import http.client
import logging
import os
import random
import shutil
import tarfile
import threading
import time

from dispatcher.agent.cache_limits import entries, mark_used, remove, surplus
from dispatcher.agent.durable_folders import has_sizes, publish_folder, sync_tree
from dispatcher.agent.folders import read_json, write_json
from dispatcher.agent.service import connect
from dispatcher.agent.snapshot_archive import (
    BadSnapshot,
    UnusableSnapshot,
    files_of,
    has_contents,
    unpack,
)
from dispatcher.wire.errors import RequestRefused, ServiceUnavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Collection, Dict, List, Mapping, Optional, Set

    from dispatcher.agent.snapshot_archive import ManifestFile
    from dispatcher.wire.connection import ServiceConnection

log = logging.getLogger(__name__)
_MAX_PAUSE = 5.0
# Attempts that the service answered and that failed all the same: a full disk, a broken transfer.
# With the pauses between them they take about half a minute.
MAX_FAILURES = 10

# An interrupted transfer, data of another hash, and an error of the disk.
_FAILURES = (BadSnapshot, OSError, EOFError, tarfile.TarError, http.client.HTTPException)


class SnapshotCache:
    """The snapshots that this node has, and those that are being fetched. Threads may share it.

    Args:
        folder: The folder of the snapshots.
        on_done: Called from a thread of the cache with a snapshot's id when the snapshot is here,
            or with the reason why it cannot be fetched.
        max_failures: After how many failed attempts a fetch is given up. Attempts that do not
            reach the service do not count.
        longest_pause: Seconds between two attempts, at most.
    """

    def __init__(
        self,
        folder: str,
        on_done: Callable[[str, Optional[str]], None],
        max_failures: int = MAX_FAILURES,
        longest_pause: float = _MAX_PAUSE,
    ) -> None:
        self._folder = folder
        self._on_done = on_done
        self._max_failures, self._longest_pause = max_failures, longest_pause
        self._checked: Set[str] = set()
        self._sizes: Dict[str, int] = {}
        self._fetching: Set[str] = set()
        self._address: Optional[Mapping[str, Any]] = None
        self._changed = threading.Condition()
        self._closed = False

    def configure(self, address: Optional[Mapping[str, Any]]) -> None:
        """Set the address that snapshots are fetched from; pending fetches try it at once."""
        with self._changed:
            self._address = address
            self._changed.notify_all()

    def path(self, snapshot: str) -> str:
        """The folder of a snapshot, whether it is here or not."""
        return os.path.join(self._folder, os.path.basename(snapshot))

    def has(self, snapshot: str) -> bool:
        """Whether the snapshot is here and complete."""
        if snapshot in self._checked:
            mark_used(f"{self.path(snapshot)}.json")
            return True
        if not os.path.isdir(self.path(snapshot)):
            return False
        files = self._kept_files(snapshot)
        sizes = None if files is None else {name: file.size for name, file in files.items()}
        if sizes is None or not has_sizes(self.path(snapshot), sizes):
            return False
        self._checked.add(snapshot)
        mark_used(f"{self.path(snapshot)}.json")
        return True

    def fetch(self, snapshot: str) -> None:
        """Start to fetch a snapshot, unless that is under way. Returns at once."""
        with self._changed:
            if snapshot in self._fetching:
                return
            self._fetching.add(snapshot)
        threading.Thread(target=self._fetch, args=(snapshot,), daemon=True).start()

    def evict(self, limit: Optional[int], in_use: Collection[str], trash: str) -> List[str]:
        """Take the least recently used snapshots out of the cache until it is within its limit.

        No other thread may begin to use a snapshot meanwhile.

        Args:
            limit: Bytes; None: without a limit.
            in_use: Snapshots that stay in any case.
            trash: A folder on the same disk.

        Returns:
            Folders that are to be deleted.
        """
        names = surplus(entries(self._folder, self._size), limit, in_use)
        self._checked.difference_update(names)
        moved = [remove(self._folder, name, trash) for name in names]
        return [folder for folder in moved if folder is not None]

    def _size(self, snapshot: str) -> int:
        if snapshot not in self._sizes:
            files = self._kept_files(snapshot) or {}
            self._sizes[snapshot] = sum(file.size for file in files.values())
        return self._sizes[snapshot]

    def close(self) -> None:
        """Stop fetching."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _fetch(self, snapshot: str) -> None:
        """Attempt until the snapshot is here, refused by the service, or given up."""
        error: Optional[str] = None
        pause, failures, is_away = 0.1, 0, False
        while not self._closed:
            address = self._address
            try:
                if address is not None:
                    self._fetch_once(connect(address), snapshot)
                    break
            except ServiceUnavailable as reason:
                if not is_away:
                    log.warning("snapshot %s waits, service unreachable: %s", snapshot, reason)
                is_away = True
            except (RequestRefused, UnusableSnapshot) as refusal:
                error = str(refusal)
            except _FAILURES as failure:
                failures += 1
                is_away = False
                log.warning("snapshot %s: attempt %d failed: %s", snapshot, failures, failure)
                if failures >= self._max_failures:
                    error = f"it could not be stored on the node in {failures} attempts: {failure}"
            if error is not None:
                log.error("snapshot %s cannot be fetched: %s", snapshot, error)
                break
            self._rest(pause, address)
            pause = min(self._longest_pause, pause * 2)
        shutil.rmtree(self._part(snapshot), ignore_errors=True)
        with self._changed:
            self._fetching.discard(snapshot)
        if not self._closed:
            self._on_done(snapshot, error)

    def _rest(self, seconds: float, address: Optional[Mapping[str, Any]]) -> None:
        """Wait before the next attempt; a new address ends the wait."""
        with self._changed:
            if not self._closed and self._address is address:
                self._changed.wait(seconds * random.uniform(0.5, 1.5))

    def _fetch_once(self, service: ServiceConnection, snapshot: str) -> None:
        path, part = self.path(snapshot), self._part(snapshot)
        try:
            manifest = _manifest(service, snapshot)
            files = files_of(snapshot, manifest)
            if os.path.isdir(path) and self._keep_existing(snapshot, files, manifest):
                return
            shutil.rmtree(part, ignore_errors=True)
            os.makedirs(part)
            with service.stream(f"/snapshots/{snapshot}/archive") as archive:
                unpack(archive, part, files)
        finally:
            service.close()
        self._write_manifest(snapshot, manifest)
        publish_folder(part, path)
        self._checked.add(snapshot)

    def _keep_existing(self, snapshot: str, files: Dict[str, ManifestFile], manifest: Any) -> bool:
        """Whether the existing folder holds the snapshot; if not, it is deleted."""
        path = self.path(snapshot)
        if has_contents(path, files):
            sync_tree(path)
            self._write_manifest(snapshot, manifest)
            self._checked.add(snapshot)
            return True
        log.warning("snapshot %s is damaged on this node and is fetched again", snapshot)
        damaged = f"{path}.damaged.{os.getpid()}.{time.monotonic_ns()}"
        os.rename(path, damaged)
        shutil.rmtree(damaged, ignore_errors=True)
        return False

    def _kept_files(self, snapshot: str) -> Optional[Dict[str, ManifestFile]]:
        """The files in the stored manifest; None without a valid manifest."""
        try:
            return files_of(snapshot, read_json(f"{self.path(snapshot)}.json"))
        except (BadSnapshot, UnusableSnapshot):
            return None

    def _write_manifest(self, snapshot: str, manifest: Any) -> None:
        path = f"{self.path(snapshot)}.json"
        write_json(path, manifest, durable=True)
        os.chmod(path, 0o644)  # agents in containers read it as another user

    def _part(self, snapshot: str) -> str:
        return f"{self.path(snapshot)}.part.{os.getpid()}"


def _manifest(service: ServiceConnection, snapshot: str) -> Any:
    try:
        return service.get(f"/snapshots/{snapshot}")
    except ValueError as error:
        raise BadSnapshot(f"its manifest is not JSON: {error}") from error
