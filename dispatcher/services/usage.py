"""What uses the disk: on the service's disk by kind, and the largest runs and experiments."""

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from dispatcher.store.contract import Store, Transaction
from dispatcher.store.retention.contract import StoredSize

LARGEST = 20
_NODES = "nodes"


@dataclass(frozen=True)
class KindUsage:
    """How much one kind of data takes.

    Attributes:
        kind: What it is: `database`, `contents`, `nodes/local/snapshots`, …
        bytes: What its files take on the disk.
        files: How many they are.
        path: Where they lie.
    """

    kind: str
    bytes: int
    files: int
    path: str


@dataclass(frozen=True)
class DiskUsage:
    """What uses the disk. `free`: bytes that are free on the disk of the data folder."""

    kinds: tuple[KindUsage, ...]
    free: int
    runs: tuple[StoredSize, ...]
    experiments: tuple[StoredSize, ...]


class UsageService:
    """Measures what uses the disk.

    Args:
        store: Which runs have files and logs.
        data: The data folder of the service.
        contents: The folder of the contents; None where they are elsewhere.
    """

    def __init__(self, store: Store, data: Path, contents: Path | None) -> None:
        self._store, self._data, self._contents = store, data, contents

    def read(self, largest: int = LARGEST) -> DiskUsage:
        """Measure. It reads every folder, which may take a while."""
        kinds = sorted(self._kinds(), key=lambda kind: -kind.bytes)
        status = os.statvfs(self._data)

        def work(tx: Transaction) -> tuple[list[StoredSize], list[StoredSize]]:
            runs = tx.references.largest_runs(largest)
            return runs, tx.references.largest_experiments(largest)

        runs, experiments = self._store.read(work)
        free = status.f_bavail * status.f_frsize
        return DiskUsage(tuple(kinds), free, tuple(runs), tuple(experiments))

    def _kinds(self) -> Iterator[KindUsage]:
        kinds = {name: self._data / name for name in ("logs", "uploads", "inheritances")}
        if self._contents is not None:
            kinds["contents"] = self._contents
        for node in _folders(self._data / _NODES):
            kinds.update({f"{_NODES}/{node.name}/{each.name}": each for each in _folders(node)})
        for kind, folder in kinds.items():
            yield _kind(kind, folder, _tree(folder))
        yield _kind("database", self._data, self._database())

    def _database(self) -> Iterator[os.stat_result]:
        with suppress(FileNotFoundError), os.scandir(self._data) as entries:
            for entry in entries:
                if entry.name.startswith("dispatcher.db"):
                    yield entry.stat(follow_symlinks=False)


def _kind(kind: str, folder: Path, files: Iterator[os.stat_result]) -> KindUsage:
    sizes: Mapping[tuple[int, int], int] = {
        (status.st_dev, status.st_ino): status.st_blocks * 512 for status in files
    }  # a file with two names counts once
    return KindUsage(kind, sum(sizes.values()), len(sizes), str(folder))


def _folders(folder: Path) -> list[Path]:
    with suppress(OSError):
        return sorted(each for each in folder.iterdir() if each.is_dir() and not each.is_symlink())
    return []


def _tree(folder: Path) -> Iterator[os.stat_result]:
    """All files below a folder; what is deleted meanwhile, or cannot be read, is left out."""
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in list(entries):
            with suppress(OSError):
                if entry.is_dir(follow_symlinks=False):
                    yield from _tree(Path(entry.path))
                elif entry.is_file(follow_symlinks=False):
                    yield entry.stat(follow_symlinks=False)
