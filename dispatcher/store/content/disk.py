"""Files that outlive a power cut, and what is said when there is no room for them: which folder is
full, instead of a number of the system.
"""

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from dispatcher.core.errors import StorageFull

_FULL = (errno.ENOSPC, errno.EDQUOT)


@contextlib.contextmanager
def room(folder: str | Path) -> Iterator[None]:
    """Raise StorageFull, naming the folder, when its disk or the quota on it is used up."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StorageFull(str(folder)) from error
        raise


def write_private(path: Path, content: bytes) -> None:
    """Replace a file as a whole, durably; only its owner can read it."""
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: str | Path) -> None:
    """Return only once the names in a folder would outlive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
