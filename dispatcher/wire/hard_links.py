"""Files that hard links share with another folder, as after `cp -al` or `rsync --link-dest`.

What is written into such a file changes both folders, and a lock of it is held in both.
"""

from __future__ import annotations

import json
import os
import stat


def is_shared(path: str) -> bool:
    """Whether a regular file has a further name somewhere."""
    try:
        status = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISREG(status.st_mode) and status.st_nlink > 1


def separate(path: str) -> None:
    """Give a file that is shared a content of its own; leave any other one as it is.

    Raises:
        OSError: It cannot be read, or its folder cannot be written.
    """
    if not is_shared(path):
        return
    import shutil  # here, so that clients do not import it

    part = f"{path}.{os.getpid()}.part"
    shutil.copy2(path, part)
    os.replace(part, path)


def is_lock_of_other_folder(path: str) -> bool:
    """Whether a service holds, or held, a shared lock file in another folder than this one.

    Args:
        path: The lock file. Its holder has written `folder_inode` into it.
    """
    if not is_shared(path):
        return False
    try:
        with open(path, encoding="utf-8") as file:
            inode = json.load(file).get("folder_inode")
        own = os.stat(os.path.dirname(path)).st_ino
    except (OSError, ValueError, AttributeError):
        return False
    return inode is not None and inode != own
