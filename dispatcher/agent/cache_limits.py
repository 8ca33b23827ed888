"""Caches of a node have an end: what was used least recently goes, and nothing that is in use.

An entry of a cache is a folder and, beside it, a record (`<name>.json`) without which the folder
does not count. The record's time is that of the entry's last use.
"""

from __future__ import annotations

import contextlib
import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Collection, Iterable, Iterator, List, Optional

_MARK_EVERY = 60.0  # seconds: a snapshot may be used a thousand times a second


class CacheEntry:
    """One entry of a cache.

    Attributes:
        name: Its name.
        size: Bytes of its files.
        used_at: When it was used last, in seconds since the epoch.
    """

    def __init__(self, name: str, size: int, used_at: float) -> None:
        self.name = name
        self.size = size
        self.used_at = used_at


def mark_used(record: str) -> None:
    """Note that an entry is used now."""
    with contextlib.suppress(OSError):
        if time.time() - os.stat(record).st_mtime > _MARK_EVERY:
            os.utime(record)


def entries(folder: str, size_of: Callable[[str], int]) -> Iterator[CacheEntry]:
    """The entries of a cache; `size_of` takes a name."""
    with contextlib.suppress(FileNotFoundError):
        for file in os.listdir(folder):
            name, extension = os.path.splitext(file)
            if extension != ".json":
                continue
            with contextlib.suppress(OSError):
                used_at = os.stat(os.path.join(folder, file)).st_mtime
                yield CacheEntry(name, size_of(name), used_at)


def surplus(
    cached: Iterable[CacheEntry], limit: Optional[int], in_use: Collection[str]
) -> List[str]:
    """The names of the entries that are to go, the least recently used first.

    Args:
        cached: All entries.
        limit: Bytes that may stay; None: all.
        in_use: Entries that stay in any case.
    """
    if limit is None:
        return []
    by_use = sorted(cached, key=lambda entry: entry.used_at)
    total = sum(entry.size for entry in by_use)
    names = []
    for entry in by_use:
        if total <= limit:
            break
        if entry.name not in in_use:
            names.append(entry.name)
            total -= entry.size
    return names


def remove(folder: str, name: str, trash: str) -> Optional[str]:
    """Take an entry out of a cache, and return where its folder is now, to be deleted."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(os.path.join(folder, f"{name}.json"))  # first: without it nothing relies on it
    away = os.path.join(trash, f"{name}.{time.monotonic_ns()}")
    try:
        os.rename(os.path.join(folder, name), away)
    except FileNotFoundError:
        return None
    return away


def tree_size(folder: str) -> int:
    """Bytes that the files below a folder take on the disk."""
    total = 0
    with contextlib.suppress(OSError), os.scandir(folder) as found:
        for entry in found:
            with contextlib.suppress(OSError):
                if entry.is_dir(follow_symlinks=False):
                    total += tree_size(entry.path)
                else:
                    total += entry.stat(follow_symlinks=False).st_blocks * 512
    return total
