"""Contents larger than one request: they come in parts, each appended to a temporary file, and
become a blob once all is there and has the hash that was announced.

How much is held is the file's length, so who was cut off asks and goes on. The hash is made while
the parts come; after a restart of the service it is made anew from the file. Each caller has files
of its own: nobody can spoil another's upload.
"""

import contextlib
import hashlib
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from dispatcher.core.errors import InvalidSpec
from dispatcher.store.content.blobs import CHUNK, Blobs
from dispatcher.store.content.disk import room

KEPT_SECONDS = 7 * 86400
MAX_OPEN = 256


class _Upload:
    """One temporary file. `lock` is held by whoever writes to it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lock = threading.Lock()
        self._hash = hashlib.sha256()
        self._hashed = 0

    def held(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def append(self, data: bytes) -> None:
        """Durable on return; what a crash has left half written counts as well: it is bytes."""
        with room(self.path.parent), self.path.open("ab") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        self._hash.update(data)
        self._hashed += len(data)

    def digest(self) -> str:
        if self._hashed != self.held():
            self._hash = hashlib.sha256()
            with self.path.open("rb") as file:
                while chunk := file.read(CHUNK):
                    self._hash.update(chunk)
            self._hashed = self.held()
        return self._hash.hexdigest()


class Uploads:
    """Uploads that go on. Any thread may bring parts."""

    def __init__(self, blobs: Blobs, folder: Path, clock: Callable[[], float] = time.time) -> None:
        self._blobs = blobs
        self._folder = folder
        self._lock = threading.Lock()
        self._open: dict[str, _Upload] = {}
        folder.mkdir(parents=True, exist_ok=True)
        self.prune(clock() - KEPT_SECONDS)

    def unfinished(self, before: float) -> list[tuple[Path, int]]:
        """The files, with their sizes, to which nothing was added since a moment."""
        found = []
        for path in self._folder.iterdir():
            with contextlib.suppress(FileNotFoundError):
                status = path.stat()
                if status.st_mtime < before:
                    found.append((path, status.st_size))
        return found

    def prune(self, before: float) -> list[int]:
        """Forget uploads to which nothing was added since a moment; their sizes."""
        return [size for path, size in self.unfinished(before) if self._forget(path, before)]

    def take(self, caller: str, digest: str, size: int, offset: int, data: bytes) -> int:
        """Take a part; answer how much is held: all of it once the content is stored.

        A part that leaves a gap is not taken, what is held of it already is skipped. Raises
        InvalidSpec, and forgets all of it, if the whole does not have that hash.
        """
        if offset + len(data) > size:
            raise InvalidSpec(f"offset {offset}: {len(data)} bytes end after the size {size}")
        if not self._blobs.missing({digest}):
            return size
        upload = self._upload(caller, digest, size)
        with upload.lock:
            if not self._blobs.missing({digest}):
                return size
            held = upload.held()
            if offset <= held < offset + len(data) or (held == offset == size):
                upload.append(data[held - offset :])
                held = offset + len(data)
            if held == size:
                self._finish(upload, digest)
            return held

    def _forget(self, path: Path, before: float) -> bool:
        """Forget an upload, unless somebody adds to it."""
        with self._lock:
            upload = self._open.get(path.name) or _Upload(path)
            if upload.lock.locked():
                return False
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime < before:
                    self._open.pop(path.name, None)
                    path.unlink()
                    return True
        return False

    def _finish(self, upload: _Upload, digest: str) -> None:
        found = upload.digest()
        try:
            if found != digest:
                raise InvalidSpec(f"sha256: the content has {found}, not {digest}")
            self._blobs.adopt(digest, upload.path)
        finally:
            upload.path.unlink(missing_ok=True)
            with self._lock:
                self._open.pop(upload.path.name, None)

    def _upload(self, caller: str, digest: str, size: int) -> _Upload:
        name = hashlib.sha256(f"{caller}\0{digest}\0{size}".encode()).hexdigest()
        with self._lock:
            if name not in self._open and len(self._open) >= MAX_OPEN:
                idle = next((n for n, each in self._open.items() if not each.lock.locked()), None)
                self._open.pop(idle or "", None)
            return self._open.setdefault(name, _Upload(self._folder / name))
