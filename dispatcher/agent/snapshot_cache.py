"""The node's snapshots: each is fetched once, checked file by file, and kept by its hash."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import random
import shutil
import tarfile
import threading

from dispatcher.agent.service import connect
from dispatcher.wire.errors import RequestRefused, ServiceUnavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO, Any, Callable, Dict, List, Mapping, Optional, Set, Tuple

    from dispatcher.wire.connection import ServiceConnection

_LONGEST_PAUSE = 5.0
_CHUNK = 1 << 20


class BadSnapshot(Exception):
    """What came is not what was asked for."""


# What a service that goes away in the middle of an answer, or a bad line, makes of it.
_BROKEN_OFF = (
    ServiceUnavailable,
    BadSnapshot,
    OSError,
    EOFError,
    tarfile.TarError,
    http.client.HTTPException,
)


class SnapshotCache:
    """The snapshots that this node has, and those that are on their way.

    Args:
        folder: Where they lie.
        on_done: Called, from some thread, with a snapshot's id when it is there, or with what is
            wrong with it when it can never be had.
    """

    def __init__(self, folder: str, on_done: Callable[[str, Optional[str]], None]) -> None:
        self._folder = folder
        self._on_done = on_done
        self._lock = threading.Lock()
        self._here: Set[str] = set()
        self._coming: Set[str] = set()
        self._address: Optional[Mapping[str, Any]] = None
        self._changed = threading.Condition(self._lock)
        self._closed = False

    def configure(self, address: Optional[Mapping[str, Any]]) -> None:
        """Say where they come from; what waits is tried at once."""
        with self._changed:
            self._address = address
            self._changed.notify_all()

    def path(self, snapshot: str) -> str:
        """Where a snapshot lies, or will."""
        return os.path.join(self._folder, os.path.basename(snapshot))

    def has(self, snapshot: str) -> bool:
        """Whether it is here, whole."""
        if snapshot not in self._here and os.path.isdir(self.path(snapshot)):
            self._here.add(snapshot)
        return snapshot in self._here

    def want(self, snapshot: str) -> None:
        """Fetch it, unless it is on its way."""
        with self._lock:
            if snapshot in self._coming:
                return
            self._coming.add(snapshot)
        threading.Thread(target=self._fetch, args=(snapshot,), daemon=True).start()

    def close(self) -> None:
        """Stop fetching."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _fetch(self, snapshot: str) -> None:
        """Until it is here, or the service says that there is no such thing."""
        error: Optional[str] = None
        pause = 0.1
        while not self._closed:
            address = self._address
            try:
                if address is not None:
                    self._fetch_once(connect(address), snapshot)
                    break
            except RequestRefused as refused:
                error = str(refused)
                break
            except _BROKEN_OFF:
                shutil.rmtree(self._part(snapshot), ignore_errors=True)
            with self._changed:
                if not self._closed and self._address is address:
                    self._changed.wait(pause * random.uniform(0.5, 1.5))
            pause = min(_LONGEST_PAUSE, pause * 2)
        with self._lock:
            self._coming.discard(snapshot)
        if not self._closed:
            self._on_done(snapshot, error)

    def _fetch_once(self, service: ServiceConnection, snapshot: str) -> None:
        try:
            manifest = service.get(f"/snapshots/{snapshot}")
            wanted = _checked(snapshot, manifest)
            part = self._part(snapshot)
            shutil.rmtree(part, ignore_errors=True)
            os.makedirs(part)
            with service.stream(f"/snapshots/{snapshot}/archive") as archive:
                _extract(archive, part, wanted)
        except (ValueError, LookupError, TypeError) as error:
            raise BadSnapshot(repr(error)) from error
        finally:
            service.close()
        try:
            os.rename(part, self.path(snapshot))
        except OSError:
            if not os.path.isdir(self.path(snapshot)):
                raise

    def _part(self, snapshot: str) -> str:
        return f"{self.path(snapshot)}.part.{os.getpid()}"


def _checked(snapshot: str, manifest: Any) -> Dict[str, Tuple[int, int, str]]:
    """Path → mode, size and hash, of a manifest that has the hash it goes by."""
    text = json.dumps(manifest, separators=(",", ":"), ensure_ascii=False, sort_keys=True)
    if hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest() != snapshot:
        raise BadSnapshot("its manifest has another hash")
    files: List[Any] = manifest["files"]
    wanted = {path: (int(mode), int(size), str(digest)) for path, mode, size, digest in files}
    for path in wanted:
        parts = path.split("/")
        if path.startswith("/") or "\0" in path or any(p in ("", ".", "..") for p in parts):
            raise BadSnapshot(f"{path!r} is not a path below the snapshot")
    return wanted


def _extract(archive: IO[bytes], folder: str, wanted: Dict[str, Tuple[int, int, str]]) -> None:
    """Write the files of the manifest; anything else in the archive is an error."""
    missing = dict(wanted)
    with tarfile.open(fileobj=archive, mode="r|") as tar:
        for member in tar:
            if member.isdir():
                continue
            expected = missing.pop(member.name, None)
            data = tar.extractfile(member) if member.isreg() else None
            if expected is None or data is None or member.size != expected[1]:
                raise BadSnapshot(f"{member.name!r} is not in its manifest like this")
            _write(data, os.path.join(folder, member.name), expected)
    if missing:
        raise BadSnapshot(f"{len(missing)} files are missing, {next(iter(missing))!r} for one")


def _write(data: IO[bytes], path: str, expected: Tuple[int, int, str]) -> None:
    mode, _, digest = expected
    os.makedirs(os.path.dirname(path), exist_ok=True)
    seen = hashlib.sha256()
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    with open(os.open(path, flags, mode & 0o777 | 0o600), "wb") as file:
        for chunk in iter(lambda: data.read(_CHUNK), b""):
            seen.update(chunk)
            file.write(chunk)
    if seen.hexdigest() != digest:
        raise BadSnapshot(f"{path!r} has another hash than its manifest says")
