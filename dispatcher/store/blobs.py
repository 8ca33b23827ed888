"""Files by content hash (snapshots), and logs by offset, under one root.

Blobs live under an fsspec root, so that they may be on a disk or in an object store. Logs are
appended while a run goes on, which object stores cannot do: they live on the service's disk.
"""

import contextlib
import hashlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

from dispatcher.core.errors import InvalidSpec, NotFound

CHUNK = 1 << 20


class Blobs:
    """Content-addressed files. Writing one twice is writing it once."""

    def __init__(self, root: str) -> None:
        self._fs, self._root = fsspec.core.url_to_fs(root)
        self._fs.makedirs(self._root, exist_ok=True)

    def missing(self, digests: set[str]) -> list[str]:
        """Which of these are not here."""
        return sorted(digest for digest in digests if not self._fs.exists(self._path(digest)))

    def put(self, digest: str, data: bytes) -> None:
        """Store bytes; raises InvalidSpec, and stores nothing, if they do not have that hash."""
        found = hashlib.sha256(data).hexdigest()
        if found != digest:
            raise InvalidSpec(f"sha256: the content has {found}, not {digest}")
        path = self._path(digest)
        if self._fs.exists(path):
            return
        self._fs.makedirs(os.path.dirname(path), exist_ok=True)
        temporary = f"{path}.{os.getpid()}.{threading.get_ident()}.new"
        with self._fs.open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            if hasattr(file, "fileno"):
                os.fsync(file.fileno())
        self._fs.mv(temporary, path)

    def size(self, digest: str) -> int:
        """How long a content is; raises NotFound."""
        try:
            return int(self._fs.size(self._path(digest)))
        except FileNotFoundError as error:
            raise NotFound(f"no content {digest}") from error

    def adopt(self, digest: str, file: Path) -> None:
        """Store a file of this machine, known to have that hash; it is moved where it can be."""
        path = self._path(digest)
        self._fs.makedirs(os.path.dirname(path), exist_ok=True)
        if isinstance(self._fs, LocalFileSystem):
            with contextlib.suppress(OSError):  # another disk: then it is copied
                os.replace(file, path)
                return
        temporary = f"{path}.{os.getpid()}.{threading.get_ident()}.new"
        self._fs.put_file(str(file), temporary)
        self._fs.mv(temporary, path)

    def read(self, digest: str) -> bytes:
        """The whole content; raises NotFound."""
        try:
            content: bytes = self._fs.cat_file(self._path(digest))
        except FileNotFoundError as error:
            raise NotFound(f"no content {digest}") from error
        return content

    def chunks(self, digest: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The content, or from `start` to before `end`, in pieces of at most 1 MiB."""
        with self._open(digest) as file:
            file.seek(start)
            left = CHUNK if end is None else end - start
            while left > 0 and (chunk := file.read(min(CHUNK, left))):
                left -= len(chunk) if end is not None else 0
                yield chunk

    def _open(self, digest: str) -> Any:
        try:
            return self._fs.open(self._path(digest), "rb")
        except FileNotFoundError as error:
            raise NotFound(f"no content {digest}") from error

    def _path(self, digest: str) -> str:
        return f"{self._root}/{digest[:2]}/{digest}"


class Logs:
    """Log files by generated name; a chunk written twice at one offset is there once."""

    def __init__(self, root: Path) -> None:
        self._root = root
        root.mkdir(parents=True, exist_ok=True)

    def write(self, run_id: str, attempt: int, name: str, offset: int, data: bytes) -> None:
        path = self._path(run_id, attempt, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.pwrite(descriptor, data, offset)
        finally:
            os.close(descriptor)

    def read(self, run_id: str, attempt: int, name: str, offset: int, limit: int) -> bytes:
        """Up to `limit` bytes from `offset`; empty where nothing is (yet)."""
        try:
            with self._path(run_id, attempt, name).open("rb") as file:
                file.seek(offset)
                return file.read(limit)
        except FileNotFoundError:
            return b""

    def _path(self, run_id: str, attempt: int, name: str) -> Path:
        """By hash: whatever a run or a log is called, it stays below the root."""
        key = hashlib.sha256(f"{run_id}\0{attempt}\0{name}".encode()).hexdigest()
        return self._root / key[:2] / key
