"""Files in folders that a container may write to: links are never followed.

Processes in a container own its folders and may change them at any moment. So a path is opened
folder by folder, each below the previous one. Only regular files are read, up to a limit, and a
pipe in the place of a file does not block.
"""

import os
import secrets
import shutil
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dispatcher.agent.shipping.streams import Files, listed

MAX_RECORD = 1024 * 1024
_CAUTION = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class GuardedFiles(Files):
    """The files of a shipper: below one folder, by their absolute paths."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def size(self, path: str) -> int:
        descriptor = self.open(path, os.O_RDONLY)
        try:
            return os.fstat(descriptor).st_size
        finally:
            os.close(descriptor)

    def open(self, path: str, flags: int) -> int:
        return open_below(self._folder, *Path(path).relative_to(self._folder).parts, flags=flags)

    def entries(self, path: str) -> list[tuple[str, str]]:
        try:
            with _opened(self._folder, *Path(path).relative_to(self._folder).parts) as folder:
                return listed(folder)
        except OSError:
            return []

    def behind_link(self, path: str) -> str:
        return path

    def identity(self, path: str) -> int:
        try:
            descriptor = self.open(path, os.O_RDONLY)
        except OSError:
            return 0
        try:
            return os.fstat(descriptor).st_ino
        finally:
            os.close(descriptor)


def open_below(folder: Path, *parts: str, flags: int = os.O_RDONLY) -> int:
    """Open a regular file below a folder. Raises OSError."""
    with _opened(folder, *parts[:-1]) as parent:
        descriptor = os.open(parts[-1], flags | _CAUTION, dir_fd=parent)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"{'/'.join(parts)} is not a regular file")
    return descriptor


def read_below(folder: Path, *parts: str) -> bytes:
    """Read a small file. Raises OSError."""
    with os.fdopen(open_below(folder, *parts), "rb") as file:
        return file.read(MAX_RECORD)


def write_below(folder: Path, *parts: str, text: str) -> None:
    """Write a file by rename. Raises OSError."""
    part = f".{parts[-1]}.{secrets.token_hex(8)}"
    with _opened(folder, *parts[:-1]) as parent:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _CAUTION
        with os.fdopen(os.open(part, flags, 0o644, dir_fd=parent), "w") as file:
            os.fchmod(
                file.fileno(), 0o644
            )  # the container's user reads it, independent of the umask
            file.write(text)
        os.rename(part, parts[-1], src_dir_fd=parent, dst_dir_fd=parent)


def names_below(folder: Path, *parts: str) -> list[str]:
    """The names in a folder; empty if there is no folder."""
    try:
        with _opened(folder, *parts) as descriptor:
            return os.listdir(descriptor)
    except OSError:
        return []


def is_below(folder: Path, *parts: str) -> bool:
    """Whether the name exists, as a file of any kind."""
    try:
        with _opened(folder, *parts[:-1]) as parent:
            os.stat(parts[-1], dir_fd=parent, follow_symlinks=False)
    except OSError:
        return False
    return True


def delete_below(folder: Path, *parts: str) -> None:
    """Delete a folder and its content; a missing one is not an error."""
    with suppress(OSError), _opened(folder, *parts[:-1]) as parent:
        shutil.rmtree(parts[-1], dir_fd=parent, ignore_errors=True)


def socket_below(folder: Path, *parts: str) -> socket.socket:
    """Connect to a Unix socket, without following a link in its place. Raises OSError.

    The opened file is the one that is connected to, so it cannot be exchanged in between. The path
    may be longer than the kernel's limit for sockets.
    """
    with _opened(folder, *parts[:-1]) as parent:
        descriptor = os.open(parts[-1], os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    connection = socket.socket(socket.AF_UNIX)
    try:
        if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            raise OSError(f"{'/'.join(parts)} is not a socket")
        connection.connect(f"/proc/self/fd/{descriptor}")
    except OSError:
        connection.close()
        raise
    finally:
        os.close(descriptor)
    return connection


@contextmanager
def _opened(folder: Path, *parts: str) -> Iterator[int]:
    """Open a folder below another one. Raises OSError."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(folder, flags)
    try:
        for part in parts:
            below = os.open(part, flags, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = below
        yield descriptor
    finally:
        os.close(descriptor)
