"""Hashes of source files that have not changed since they were hashed: in memory and in a file."""

from __future__ import annotations

import json
import os
import threading
import time

from dispatcher.client.errors import SnapshotException
from dispatcher.wire.errors import ContentUnreadable
from dispatcher.wire.uploads import FileContent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List

    from dispatcher.client.api.snapshots.tree import SourceFile

# A file system's clock advances in steps of up to 10 ms. A file that was hashed within this time of
# its last change may change again without a new time of change, so its hash is not kept.
_CLOCK_STEP_NS = 50_000_000
_caches: Dict[str, HashCache] = {}


def hash_cache(path: str) -> HashCache:
    """The cache of a file, one object a process."""
    cache = _caches.get(path)
    if cache is None:
        cache = _caches.setdefault(path, HashCache(path))
    return cache


class HashCache:
    """Hashes of files by path, size, time of change and inode.

    Args:
        path: The cache's file; a missing or broken one is an empty one.
        clock: The time in nanoseconds, as the file system's clock counts it.
    """

    def __init__(self, path: str, clock: Callable[[], int] = time.time_ns) -> None:
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()
        self._known = _read_json(path)
        self._changed = False

    def sha256(self, entry: SourceFile) -> str:
        """The hash of a file. Raises SnapshotException when it cannot be read."""
        facts = entry.stat
        key = [facts.st_size, facts.st_mtime_ns, facts.st_ino]
        known = self._known.get(entry.real)
        if known is not None and known[:3] == key:
            return str(known[3])
        began = self._clock()
        try:
            sha256 = FileContent.of(entry.real).sha256
        except ContentUnreadable as error:
            raise SnapshotException(
                f"{error.path} cannot be read ({error.reason}); change its mode, or name it in "
                ".amlignore."
            ) from error
        if not 0 <= began - facts.st_mtime_ns < _CLOCK_STEP_NS:
            with self._lock:
                self._known[entry.real] = [*key, sha256]
                self._changed = True
        return sha256

    def save(self) -> None:
        """Write new hashes to the file. A failure costs hashing again and is not reported."""
        with self._lock:
            if not self._changed:
                return
            self._changed = False
            text = json.dumps(self._known)
            part = f"{self._path}.{os.getpid()}"
            try:
                os.makedirs(os.path.dirname(self._path), exist_ok=True)
                with open(part, "w", encoding="utf-8", errors="surrogateescape") as file:
                    file.write(text)
                os.replace(part, self._path)
            except OSError:
                return


def _read_json(path: str) -> Dict[str, List[Any]]:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            known = json.load(file)
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}
