"""The files of a folder that belong to its snapshot. Only the ignore file is read."""

from __future__ import annotations

import os
import stat

from dispatcher.client.api.snapshots.ignore import Ignore
from dispatcher.client.errors import SnapshotException
from dispatcher.client.home import find_home

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterator, List, Tuple

_NEVER = frozenset(
    {
        ".git",
        ".azureml",
        ".dispatcher",
        "__pycache__",
        ".ipynb_checkpoints",
        "node_modules",
        ".mypy_cache",
        ".pytest_cache",
    }
)
_ENVIRONMENT_MARKS = ("pyvenv.cfg", "conda-meta")
_MEGABYTE = 1 << 20
_MOST_MEGABYTES = 300
_MOST_FILES = 2000
_WARN_MEGABYTES = 25


class SourceFile:
    """A file of the tree: its path below the root, where it is, and its stat."""

    __slots__ = ("path", "real", "stat")

    def __init__(self, path: str, real: str, facts: os.stat_result) -> None:
        self.path = path
        self.real = real
        self.stat = facts


def entries(folder: str) -> List[SourceFile]:
    """The files of a snapshot, sorted by path.

    Raises:
        SnapshotException: The folder is missing or too large, or holds what cannot be copied.
    """
    root = os.path.realpath(folder)
    if not os.path.isdir(root):
        raise SnapshotException(f"The folder {folder} to take a snapshot of does not exist.")
    files = sorted(_Walk(root).files(), key=lambda entry: entry.path)
    _check_limits(files, folder)
    return files


class _Walk:
    def __init__(self, root: str) -> None:
        self._root = root
        self._ignore = _ignore_of(root)
        home = find_home()
        self._home = os.path.realpath(home) if home else None  # what lies there is no user's

    def files(self) -> Iterator[SourceFile]:
        return self._below("", self._root, ())

    def _below(self, folder: str, real: str, inside: Tuple[str, ...]) -> Iterator[SourceFile]:
        if real in inside:
            raise SnapshotException(f"The link {folder} in {self._root} leads back into itself.")
        if real == self._home:
            return
        try:
            listed = sorted(os.scandir(real), key=lambda item: item.name)
        except OSError as error:
            raise SnapshotException(f"{real} cannot be read: {error.strerror}") from error
        for item in listed:
            name = _as_utf8(item.name)
            path = f"{folder}/{name}" if folder else name
            yield from self._one(item, path, (*inside, real))

    def _one(
        self, item: os.DirEntry[str], path: str, inside: Tuple[str, ...]
    ) -> Iterator[SourceFile]:
        if item.name in _NEVER or self._is_ignored(item, path):
            return
        is_link = item.is_symlink()
        if is_link and _is_editor_lock(item):
            return
        if is_link:
            self._check_link(item.path)
        facts = item.stat()
        if stat.S_ISDIR(facts.st_mode):
            if not _is_environment(item):
                real = os.path.realpath(item.path) if is_link else item.path
                yield from self._below(path, real, inside)
        elif stat.S_ISREG(facts.st_mode):
            yield SourceFile(path, item.path, facts)
        else:
            raise SnapshotException(
                f"{item.path} is not a file (a FIFO, socket or device); move it, or name it in "
                ".amlignore."
            )

    def _is_ignored(self, item: os.DirEntry[str], path: str) -> bool:
        try:
            return self._ignore.says(path, item.is_dir())
        except OSError:
            return self._ignore.says(path, False)

    def _check_link(self, path: str) -> None:
        try:
            target = os.path.realpath(path, strict=True) if _STRICT else _resolved(path)
        except OSError as error:
            raise SnapshotException(
                f"The link {path} leads nowhere or in a circle ({error.strerror}); remove it, or "
                "name it in .amlignore."
            ) from error
        if target != self._root and not target.startswith(os.path.join(self._root, "")):
            raise SnapshotException(
                f"The link {path} leads out of {self._root}, to {target}; copy what it points to, "
                "or name it in .amlignore."
            )


def _as_utf8(name: str) -> str:
    """A file's name read as UTF-8, whatever the locale: so it is the same on every node."""
    return name if name.isascii() else os.fsencode(name).decode("utf-8", "surrogateescape")


def _is_editor_lock(link: os.DirEntry[str]) -> bool:
    """Whether a link is Emacs's mark that a file has unsaved changes: it points to nothing."""
    return link.name.startswith(".#") and not os.path.exists(link.path)


def _is_environment(item: os.DirEntry[str]) -> bool:
    """Whether a folder is a virtual environment, by whatever name."""
    return any(os.path.exists(os.path.join(item.path, mark)) for mark in _ENVIRONMENT_MARKS)


_STRICT = __import__("sys").version_info >= (3, 10)


def _resolved(path: str) -> str:
    os.stat(path)  # raises where `strict=True` would
    return os.path.realpath(path)


def _ignore_of(root: str) -> Ignore:
    """The patterns of `.amlignore`, else of `.gitignore`; never both."""
    for name in (".amlignore", ".gitignore"):
        path = os.path.join(root, name)
        if os.path.isfile(path):
            with open(path, encoding="utf-8", errors="surrogateescape") as file:
                return Ignore(file)
    return Ignore(())


def _check_limits(files: List[SourceFile], folder: str) -> None:
    size = sum(entry.stat.st_size for entry in files)
    most = float(os.environ.get("DISPATCHER_SNAPSHOT_LIMIT_MB") or _MOST_MEGABYTES)
    if size > most * _MEGABYTE:
        raise SnapshotException(
            f"{folder} has {size / _MEGABYTE:.0f} MB, more than the limit of {most:g} MB. The "
            f"largest: {_largest(files)}. Name what the run does not need in .amlignore, or set "
            "DISPATCHER_SNAPSHOT_LIMIT_MB."
        )
    if len(files) > _MOST_FILES and not os.environ.get("AML_SNAPSHOT_NO_FILE_LIMIT"):
        raise SnapshotException(
            f"{folder} has {len(files)} files, more than the limit of {_MOST_FILES}. The fullest "
            f"folders: {_fullest(files)}. Name what the run does not need in .amlignore, or set "
            "AML_SNAPSHOT_NO_FILE_LIMIT=1."
        )
    if size > _WARN_MEGABYTES * _MEGABYTE:
        import logging

        logging.getLogger("dispatcher").warning(
            "The snapshot of %s has %.0f MB; the largest: %s.",
            folder,
            size / _MEGABYTE,
            _largest(files),
        )


def _largest(files: List[SourceFile]) -> str:
    top = sorted(files, key=lambda entry: -entry.stat.st_size)[:5]
    return ", ".join(f"{entry.path} ({entry.stat.st_size / _MEGABYTE:.1f} MB)" for entry in top)


def _fullest(files: List[SourceFile]) -> str:
    counts: dict[str, int] = {}
    for entry in files:
        top = entry.path.split("/", 1)[0] + "/" if "/" in entry.path else "."
        counts[top] = counts.get(top, 0) + 1
    best = sorted(counts.items(), key=lambda pair: -pair[1])[:5]
    return ", ".join(f"{name} ({count} files)" for name, count in best)
