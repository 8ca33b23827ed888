"""Files that outlive a power cut, and what is said when there is no room for them: which folder is
full, instead of a number of the system.
"""

import contextlib
import errno
import os
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


def sync_folder(folder: str | Path) -> None:
    """Return only once the names in a folder would outlive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
