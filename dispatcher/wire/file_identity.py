"""Which file, by whatever path or descriptor."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional, Tuple, Union


def file_id(path: Union[str, int]) -> Optional[Tuple[int, int]]:
    """The device and inode number of a file or folder, by its path or an open descriptor.

    None if there is none. A socket has such numbers, too.
    """
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino
