"""The snapshots of a Docker target: fetched once to this machine, mounted read-only.

Containers do not fetch snapshots, so a thousand runs of one snapshot need one download, and a
container needs neither an agent's token nor a network.
"""

import threading
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from dispatcher.agent.cache_limits import entries
from dispatcher.agent.snapshot_cache import SnapshotCache
from targets.base import LaunchRefused, TargetUnavailable

PATIENCE = 20.0
KEPT_SECONDS = 3600.0  # after its last use a snapshot stays that long: a launch may need it


class ContainerSnapshots:
    """The snapshots in one folder. Several threads may call, also for the same snapshot."""

    def __init__(self, folder: Path, service: Mapping[str, Any]) -> None:
        folder.mkdir(mode=0o711, parents=True, exist_ok=True)
        folder.chmod(0o711)  # a pool container can open snapshots whose id it knows, and list none
        self._snapshots = SnapshotCache(str(folder), self._done)
        self._snapshots.configure(service)
        self._folder = folder
        self._eviction = threading.Lock()  # a use is noted before or after an eviction
        self._changed = threading.Condition()
        self._errors: dict[str, str | None] = {}
        self._readable: set[str] = set()

    def fetch(self, snapshot: str) -> Path:
        """Return the snapshot's folder, once it is here and every user may read it.

        Raises LaunchRefused if it cannot be fetched, TargetUnavailable if it takes too long; then
        the fetch continues.
        """
        path = Path(self._snapshots.path(snapshot))
        with self._eviction:
            is_here = self._snapshots.has(snapshot)
        if not is_here:
            self._wait(snapshot)
        if snapshot not in self._readable:
            for file in (path, *path.rglob("*")):
                file.chmod(file.stat().st_mode | (0o555 if file.is_dir() else 0o444))
            self._readable.add(snapshot)
        return path

    def evict(self, limit: int, in_use: Collection[str], now: float, trash: Path) -> None:
        """Move the least recently used snapshots to the trash until the rest is within its limit.

        Args:
            limit: Bytes.
            in_use: Snapshots that stay in any case.
            now: Seconds since the epoch.
            trash: A folder on the same disk.
        """
        with self._eviction:
            cached = entries(str(self._folder), lambda _name: 0)
            recent = {each.name for each in cached if each.used_at > now - KEPT_SECONDS}
            self._snapshots.evict(limit, recent.union(in_use), str(trash))
            self._readable.intersection_update(recent)

    def close(self) -> None:
        """Stop fetching."""
        self._snapshots.close()

    def _wait(self, snapshot: str) -> None:
        with self._changed:
            self._errors.pop(snapshot, None)
        self._snapshots.fetch(snapshot)
        with self._changed:
            is_fetched = self._changed.wait_for(lambda: snapshot in self._errors, PATIENCE)
            error = self._errors.get(snapshot)
        if not is_fetched:
            raise TargetUnavailable(f"snapshot {snapshot} was not fetched within {PATIENCE:g} s")
        if error is not None:
            raise LaunchRefused(f"snapshot {snapshot} cannot be fetched: {error}")

    def _done(self, snapshot: str, error: str | None) -> None:
        with self._changed:
            self._errors[snapshot] = error
            self._changed.notify_all()
