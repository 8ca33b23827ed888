"""A store, contents and logs with a clock that is set by hand, and what collects garbage there."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dispatcher.access import principals
from dispatcher.access.permissions import SERVICE_GRANT, Grant, Permission, Scope
from dispatcher.core.retention import DAY, RetentionRules, parse_rules
from dispatcher.core.runs.lifecycle import Completed, Run
from dispatcher.services.artifacts import ArtifactEntry, ArtifactService
from dispatcher.services.collection.collected import Collected
from dispatcher.services.collection.contents import ContentCollector
from dispatcher.services.collection.logs import LogCollector
from dispatcher.services.collection.runs import RunCollector
from dispatcher.services.collection.service import CollectionService
from dispatcher.services.deletion import DeletionService
from dispatcher.services.snapshots import Manifest, SnapshotService
from dispatcher.services.status import StatusService
from dispatcher.services.tracking import Chunk, TrackingService
from dispatcher.store.content.blobs import Blobs, Logs
from dispatcher.store.content.uploads import Uploads
from dispatcher.store.contract import Store
from dispatcher.store.runs.testing import add, make
from dispatcher.store.sql import SqlStore

OWNER = Grant(principals.owner(), Permission.DELETE_RUNS, Scope.ANY)


class SetClock:
    """A clock that stands still until it is set."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Rig:
    """Services over one store and one folder.

    Args:
        store: The store.
        folder: The data folder.
        clock: Seconds since the epoch.
    """

    def __init__(self, store: Store, folder: Path, clock: SetClock) -> None:
        self.store, self.folder, self.clock = store, folder, clock
        self.blobs = Blobs(str(folder / "blobs"), clock)
        self.log_files = Logs(folder / "logs")
        self.uploads = Uploads(self.blobs, folder / "uploads", clock)
        self.snapshots = SnapshotService(self.blobs, store)
        self.artifacts = ArtifactService(store, self.blobs, self.uploads, clock)
        self.tracking = TrackingService(store, self.log_files)
        self.status = StatusService(store, clock)
        self.deletion = DeletionService(store, self.log_files, clock)
        self.contents = ContentCollector(store, self.blobs, clock)
        self.collection = CollectionService(
            store,
            self.deletion,
            RunCollector(store, self.deletion, self.log_files, clock),
            self.contents,
            LogCollector(store, self.log_files, clock),
            self.uploads,
            clock,
        )

    def take_snapshot(self, *contents: bytes) -> str:
        """Upload a folder with these files, as the client does; its snapshot's id."""
        manifest = self.manifest(*contents)
        while True:
            snapshot, missing = self.snapshots.begin(manifest)
            if not missing:
                return snapshot
            for content in contents:
                if digest(content) in missing:
                    self.snapshots.put(digest(content), content)

    @staticmethod
    def manifest(*contents: bytes) -> Manifest:
        files = [(f"f{k:04}", 0o644, len(c), digest(c)) for k, c in enumerate(contents)]
        return Manifest(files=tuple(files))

    def run(self, run_id: str, parent: Run | None = None, **fields: Any) -> None:
        """An interactive run."""
        add(self.store, make(run_id, parent, interactive=True, command=None, **fields))

    def end(self, *run_ids: str) -> None:
        """The runs have completed."""
        for run_id in run_ids:
            self.status.record(run_id, Completed(self.clock()))

    def put_file(self, run_id: str, name: str, content: bytes) -> None:
        """Upload a file of a run, as the client does."""
        run = self.status.get(run_id)
        entry = ArtifactEntry(name, digest(content), len(content))
        while self.artifacts.register(run, 1, [entry]):
            self.artifacts.part("me", digest(content), len(content), 0, content)

    def put_log(self, run_id: str, text: bytes, name: str = "a.txt") -> None:
        """Send the start of a log of a run."""
        self.tracking.take([Chunk(run_id, 1, f"log:{name}", 0, text)], SERVICE_GRANT)

    def collect(self, *, dry_run: bool = False, **rules: Any) -> dict[str, Collected]:
        """Collect garbage by the default rules, or others."""
        return self.collection.collect(parse_rules(rules, RetentionRules()), dry_run=dry_run)

    def pass_days(self, days: float) -> None:
        """Set the clock forward."""
        self.clock.now += days * DAY

    def stored(self) -> set[str]:
        """The names of all files of contents."""
        return {path.name for path in (self.folder / "blobs").rglob("*") if path.is_file()}

    def stored_logs(self) -> int:
        """How many logs there are on the disk."""
        return sum(path.is_file() for path in (self.folder / "logs").rglob("*"))


def digest(content: bytes) -> str:
    """The hash under which a content is stored."""
    return hashlib.sha256(content).hexdigest()


@contextmanager
def rig(folder: Path, url: str = "", now: float = 1_800_000_000.0) -> Iterator[Rig]:
    """A rig on a database of its own, by default SQLite in the folder."""
    clock = SetClock(now)
    store = SqlStore(url or f"sqlite:///{folder}/dispatcher.db", clock)
    try:
        yield Rig(store, folder, clock)
    finally:
        store.close()
