"""Mark and sweep of contents: of files of runs, and of snapshots.

Marked is what a file of a run, a snapshot of a run or of an open sweep's trials refers to, and what
was used within the grace time: a content is uploaded before anything refers to it. Manifests are
swept before the other contents, so a snapshot that is there is whole. A manifest that is found to
be used when it is swept marks its contents.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence

from dispatcher.core.errors import NotFound
from dispatcher.services.collection.collected import Collected, pieces
from dispatcher.store.content.blobs import Blobs
from dispatcher.store.content.unused import HashedFiles, StoredFile
from dispatcher.store.contract import Store

AT_ONCE = 200  # contents that are set aside before the store is asked a last time
_MANIFEST = b'{"files":['


class ContentCollector:
    """Deletes contents that nothing refers to.

    Args:
        store: What refers to them.
        blobs: The contents.
        clock: Seconds since the epoch.
    """

    def __init__(self, store: Store, blobs: Blobs, clock: Callable[[], float]) -> None:
        self._store, self._blobs, self._clock = store, blobs, clock
        folder = blobs.folder
        self._files = None if folder is None else HashedFiles(folder)

    def recover(self) -> None:
        """Put back what a killed process has set aside."""
        if self._files is not None:
            self._files.restore_all()

    def collect(self, grace: float, *, dry_run: bool = False) -> Collected:
        """Delete what nothing refers to.

        Args:
            grace: For so many seconds after it was used last a content is kept in any case.
            dry_run: Delete nothing, and answer what would be deleted.
        """
        if self._files is None:
            return Collected()  # an object store has no time of the last use
        before = self._clock() - grace
        if not dry_run:
            self._files.restore_all()
            self._files.delete_leftovers(before)
        manifests, others = self._unmarked(self._files, before)
        if dry_run:
            return Collected.of([*manifests, *others])
        kept: set[str] = set()
        found = Collected()
        for some in pieces(manifests, AT_ONCE):
            deleted, used = self._delete(self._files, some, before)
            found += deleted
            for file in used:
                kept |= self._contents_of(file.key)
        for some in pieces([file for file in others if file.key not in kept], AT_ONCE):
            found += self._delete(self._files, some, before)[0]
        return found

    def _unmarked(
        self, files: HashedFiles, before: float
    ) -> tuple[list[StoredFile], list[StoredFile]]:
        """The manifests and the other contents that are not marked."""
        marked: set[bytes] = set()
        for snapshot in self._store.read(lambda tx: tx.references.snapshots()):
            marked.add(_packed(snapshot))
            marked.update(map(_packed, self._contents_of(snapshot)))
        unmarked: list[StoredFile] = []
        for prefix in files.prefixes():
            stored = files.list(prefix)
            for file in stored:  # a manifest that was announced, before a run refers to it
                if file.used_at >= before and self._is_manifest(file.key):
                    marked.update(map(_packed, self._contents_of(file.key)))
            in_use = self._store.read(lambda tx, p=prefix: tx.references.artifacts(p))  # type: ignore[misc]
            unmarked += [f for f in stored if f.used_at < before and f.key not in in_use]
        due = [file for file in unmarked if _packed(file.key) not in marked]
        manifests = [file for file in due if self._is_manifest(file.key)]
        known = {file.key for file in manifests}
        return manifests, [file for file in due if file.key not in known]

    def _delete(
        self, files: HashedFiles, unused: Sequence[StoredFile], before: float
    ) -> tuple[Collected, list[StoredFile]]:
        """Delete contents; answers what was deleted, and which turned out to be used."""
        aside = {file: files.set_aside(file.key) for file in unused}
        there = [file for file, used_at in aside.items() if used_at is not None]
        keys = [file.key for file in there]
        referred = self._store.read(lambda tx: tx.references.among(keys))
        used = [f for f in there if (aside[f] or 0.0) >= before or f.key in referred]
        for file in used:
            files.restore(file.key)
        deleted = [file for file in there if file not in used]
        for file in deleted:
            files.discard(file.key)
        files.sync({file.key[:2] for file in there})
        return Collected.of(deleted), used

    def _is_manifest(self, digest: str) -> bool:
        try:
            return next(self._blobs.chunks(digest, 0, len(_MANIFEST)), b"") == _MANIFEST
        except NotFound:
            return False

    def _contents_of(self, snapshot: str) -> set[str]:
        """The contents of a snapshot's files; none of one that is not there or no manifest."""
        try:
            entries = json.loads(self._blobs.read(snapshot))["files"]
            return set(_digests(entries))
        except (NotFound, ValueError, KeyError, TypeError, IndexError):
            return set()


def _digests(entries: Iterable[Sequence[object]]) -> Iterator[str]:
    for entry in entries:
        yield str(entry[3])


def _packed(digest: str) -> bytes:
    """Half as long: there may be millions of them."""
    try:
        return bytes.fromhex(digest)
    except ValueError:  # of a file that only looks like a manifest
        return digest.encode()
