"""Files by content hash (snapshots), and logs by offset, under one root.

Blobs live under an fsspec root, so that they may be on a disk or in an object store. Logs are
appended while a run goes on, which object stores cannot do: they live on the service's disk.
"""

import contextlib
import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

from dispatcher.core.errors import InvalidSpec, NotFound
from dispatcher.store.content.disk import room, sync_folder

CHUNK = 1 << 20
ASIDE = ".aside"


class Blobs:
    """Content-addressed files. Writing one twice is writing it once.

    Args:
        root: A folder, or an address that fsspec knows.
        clock: Seconds since the epoch, for when a content was used last (`content.unused`).
    """

    def __init__(self, root: str, clock: Callable[[], float] = time.time) -> None:
        self._fs, self._root = fsspec.core.url_to_fs(root)
        self._clock = clock
        self._is_local = isinstance(self._fs, LocalFileSystem)
        self._unsettled: set[str] = set()  # folders with names that are not on the disk yet
        self._settling = threading.Lock()
        self._fs.makedirs(self._root, exist_ok=True)

    @property
    def folder(self) -> Path | None:
        """The folder of the contents; None where they are not files of this machine."""
        return Path(self._root) if self._is_local else None

    def missing(self, digests: set[str]) -> list[str]:
        """Which of these are not here.

        The others count as used now: for its grace time garbage collection takes none of them.
        """
        return sorted(digest for digest in digests if not self._use(self._path(digest)))

    def put(self, digest: str, data: bytes) -> None:
        """Store bytes; raises InvalidSpec, and stores nothing, if they do not have that hash.

        They are on the disk on return; that they are found there after a power cut takes `settle`.
        """
        found = hashlib.sha256(data).hexdigest()
        if found != digest:
            raise InvalidSpec(f"sha256: the content has {found}, not {digest}")
        path = self._path(digest)
        if self._use(path):
            return
        with self._making(path) as temporary, self._fs.open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            if hasattr(file, "fileno"):
                os.fsync(file.fileno())

    def settle(self) -> None:
        """Return only once all that was stored would be found again after a power cut."""
        with self._settling:  # or another's half done work would look like done
            for folder in list(self._unsettled):
                self._unsettled.discard(folder)
                try:
                    if self._is_local:
                        sync_folder(folder)
                except OSError:
                    self._unsettled.add(folder)
                    raise

    def size(self, digest: str) -> int:
        """How long a content is; raises NotFound."""
        try:
            return int(self._fs.size(self._path(digest)))
        except FileNotFoundError as error:
            raise NotFound(f"no content {digest}") from error

    def adopt(self, digest: str, file: Path) -> None:
        """Store a file of this machine, known to have that hash; it is moved where it can be."""
        path = self._path(digest)
        if self._is_local:
            with contextlib.suppress(OSError):  # another disk: then it is copied
                self._make_folder(path)
                os.replace(file, path)
                self._unsettled.add(os.path.dirname(path))
                self._use(path)
                return
        with self._making(path) as temporary:
            self._fs.put_file(str(file), temporary)

    def read(self, digest: str) -> bytes:
        """The whole content; raises NotFound."""
        with self._open(digest) as file:
            content: bytes = file.read()
        return content

    def chunks(self, digest: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The content, or from `start` to before `end`, in pieces of at most 1 MiB."""
        with self._open(digest) as file:
            file.seek(start)
            left = CHUNK if end is None else end - start
            while left > 0 and (chunk := file.read(min(CHUNK, left))):
                left -= len(chunk) if end is not None else 0
                yield chunk

    @contextlib.contextmanager
    def _making(self, path: str) -> Iterator[str]:
        """A name to write to: what is there afterwards becomes `path`, if all went well."""
        temporary = f"{path}.{os.getpid()}.{threading.get_ident()}.new"
        try:
            with room(self._root):
                self._make_folder(path)
                yield temporary
                self._fs.mv(temporary, path)
                self._unsettled.add(os.path.dirname(path))
                self._use(path)
        except BaseException:
            with contextlib.suppress(OSError):
                self._fs.rm_file(temporary)
            raise

    def _make_folder(self, path: str) -> None:
        folder = os.path.dirname(path)
        if not self._fs.exists(folder):
            self._fs.makedirs(folder, exist_ok=True)
            self._unsettled.add(self._root)

    def _use(self, path: str) -> bool:
        """Whether a content is here; if so, it counts as used now."""
        if not self._is_local:
            return bool(self._fs.exists(path))
        now = self._clock()
        try:
            os.utime(path, (now, now))
        except FileNotFoundError:
            return False
        return True

    def _open(self, digest: str) -> Any:
        path = self._path(digest)
        for place in (path, aside(path), path):  # it may be set aside for a moment
            with contextlib.suppress(FileNotFoundError):
                return self._fs.open(place, "rb")
        raise NotFound(f"no content {digest}")

    def _path(self, digest: str) -> str:
        return f"{self._root}/{digest[:2]}/{digest}"


def aside(path: str) -> str:
    """Where a content is put while it is checked a last time that nobody uses it."""
    return f"{path}{ASIDE}"


class Logs:
    """Log files by generated name; a chunk written twice at one offset is there once."""

    def __init__(self, root: Path) -> None:
        self._root = root
        root.mkdir(parents=True, exist_ok=True)
        sync_folder(root.parent)

    def write(self, run_id: str, attempt: int, name: str, offset: int, data: bytes) -> None:
        """Write a chunk; on return it would outlive a power cut, the file's name included.

        Its first chunk makes a file. Whoever is refused sends the chunk again, so what a disk could
        not take is written anew, and never only synced anew.
        """
        path, is_first = self._path(run_id, attempt, name), offset == 0
        with room(self._root):
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = self._opened(path, is_first)
            try:
                while data:  # a disk that is nearly full takes a part
                    written = os.pwrite(descriptor, data, offset)
                    data, offset = data[written:], offset + written
                os.fdatasync(descriptor)
            finally:
                os.close(descriptor)
            if is_first:  # also where the folder is there: whoever made it may not have synced it
                sync_folder(path.parent)
                sync_folder(self._root)

    def read(self, run_id: str, attempt: int, name: str, offset: int, limit: int) -> bytes:
        """Up to `limit` bytes from `offset`; empty where nothing is (yet)."""
        try:
            with self._path(run_id, attempt, name).open("rb") as file:
                file.seek(offset)
                return file.read(limit)
        except FileNotFoundError:
            return b""

    @staticmethod
    def _opened(path: Path, is_first: bool) -> int:
        """A log's file, opened to write. One that garbage collection looks at is put back."""
        if not is_first and not path.exists():
            with contextlib.suppress(FileNotFoundError, FileExistsError):
                os.link(aside(str(path)), path)
        return os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)

    def delete(self, run_id: str, attempt: int, name: str) -> None:
        """Delete a log; one that is not there is fine."""
        self._path(run_id, attempt, name).unlink(missing_ok=True)

    def _path(self, run_id: str, attempt: int, name: str) -> Path:
        key = self.key(run_id, attempt, name)
        return self._root / key[:2] / key

    @property
    def folder(self) -> Path:
        """The folder of the logs."""
        return self._root

    @staticmethod
    def key(run_id: str, attempt: int, name: str) -> str:
        """The name of a log's file: by hash, so it stays below the root whatever it is called."""
        return hashlib.sha256(f"{run_id}\0{attempt}\0{name}".encode()).hexdigest()
