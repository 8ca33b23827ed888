"""Folders that outlive a power cut: written beside their place, synced, and renamed into it.

A file system may carry out a rename before it has written the renamed files. A folder that was
renamed without a sync can hold empty files after a power cut, and they look like real ones.
"""

from __future__ import annotations

import os
import shutil
import stat

from dispatcher.agent.folders import read_json, sync_folder, write_json
from dispatcher.agent.processes import sync_file_system

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Iterator, Mapping, Tuple

INVENTORY = ".inventory.json"
# Above this number of files one sync of the whole file system is cheaper than one sync a file.
_SYNC_ONE_BY_ONE = 32


def publish_folder(part: str, folder: str) -> None:
    """Make a finished folder appear under its name, durably.

    Another process may publish the same folder first; then its copy stays and `part` is deleted.

    Args:
        part: The finished folder, beside `folder`.
        folder: Its final path; nothing that may be kept is there.

    Raises:
        OSError: The folder cannot be synced or renamed.
    """
    sync_tree(part)
    try:
        os.rename(part, folder)
    except OSError:
        if not os.path.isdir(folder):
            raise
        shutil.rmtree(part, ignore_errors=True)
    sync_folder(os.path.dirname(folder))


def sync_tree(folder: str) -> None:
    """Write all files and folders below a folder to the disk. Raises OSError."""
    entries = list(_walk(folder))
    if len(entries) > _SYNC_ONE_BY_ONE:
        sync_file_system(folder)
        return
    for path, is_folder in entries:
        if is_folder:
            sync_folder(path)
        else:
            _sync_file(path)
    sync_folder(folder)


def write_inventory(folder: str) -> None:
    """Note the sizes of all files of a folder in it; `is_complete` compares them."""
    write_json(os.path.join(folder, INVENTORY), {"sizes": file_sizes(folder)})


def is_complete(folder: str) -> bool:
    """Whether a folder has an inventory, and every file in it has its noted size."""
    inventory = read_json(os.path.join(folder, INVENTORY))
    sizes = None if inventory is None else inventory.get("sizes")
    return isinstance(sizes, dict) and has_sizes(folder, sizes)


def has_sizes(folder: str, sizes: Mapping[str, int]) -> bool:
    """Whether all these files are in a folder, as regular files of these sizes.

    Args:
        folder: The folder.
        sizes: Relative path → size in bytes.
    """
    for name, size in sizes.items():
        try:
            status = os.lstat(os.path.join(folder, name))
        except OSError:
            return False
        if not stat.S_ISREG(status.st_mode) or status.st_size != size:
            return False
    return True


def file_sizes(folder: str) -> Dict[str, int]:
    """Relative path → size in bytes, of all files below a folder but its inventory."""
    sizes = {}
    for path, is_folder in _walk(folder):
        name = os.path.relpath(path, folder)
        if not is_folder and name != INVENTORY:
            sizes[name] = os.lstat(path).st_size
    return sizes


def _walk(folder: str) -> Iterator[Tuple[str, bool]]:
    """Paths, and whether each is a folder; the content precedes its folder. Links are skipped."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_symlink():
                continue
            is_folder = entry.is_dir(follow_symlinks=False)
            if is_folder:
                yield from _walk(entry.path)
            yield entry.path, is_folder


def _sync_file(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
