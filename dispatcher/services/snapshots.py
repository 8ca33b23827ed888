"""Snapshots: a manifest of a folder, and its files by content hash, so that only what is missing is
uploaded.
"""

import hashlib
import json
import tarfile
from collections.abc import Collection, Iterator
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from dispatcher.access.permissions import Grant, Scope
from dispatcher.core.errors import (
    InvalidSpec,
    LimitExceeded,
    NotAllowed,
    NotFound,
    SnapshotNotFound,
)
from dispatcher.core.runs.spec import Digest, clean
from dispatcher.store.content.blobs import Blobs
from dispatcher.store.contract import Store

MAX_FILES = 200_000
MAX_BYTES = 64 << 30
Entry = tuple[
    Annotated[str, StringConstraints(min_length=1, max_length=4096)],
    Annotated[int, Field(ge=0, le=0o7777)],
    Annotated[int, Field(ge=0)],
    Digest,
]


class Manifest(BaseModel):
    """What is in a snapshot: [path, mode, size, sha256] of each file, sorted by path."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    files: tuple[Entry, ...]

    @field_validator("files")
    @classmethod
    def _sound(cls, files: tuple[Entry, ...]) -> tuple[Entry, ...]:
        last = ""
        for path, *_rest in files:
            parts = clean(path).split("/")
            if (
                path.startswith("/")
                or "\\" in path
                or any(part in ("", ".", "..") for part in parts)
            ):
                raise ValueError(f"path {path!r} does not stay below the folder")
            if path <= last:
                raise ValueError(f"path {path!r} is listed twice or out of order")
            last = path
        return files

    def canonical(self) -> bytes:
        body = {"files": [list(entry) for entry in self.files]}
        return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


class SnapshotService:
    """Keeps snapshots; the manifest itself is a blob under the snapshot's id."""

    def __init__(self, blobs: Blobs, store: Store) -> None:
        self._blobs = blobs
        self._store = store

    def require_readable(self, snapshot_id: str, caller: Grant) -> None:
        """Raise unless the caller may read a snapshot.

        A user may read any. A run may read one that a run which it may read starts or builds from;
        an agent one of a run on its target. Knowing the id alone is not enough for these.

        Raises:
            SnapshotNotFound: There is none of that id.
            NotAllowed: No such run uses it.
        """
        self.require([snapshot_id])
        if caller.principal.is_person:
            return
        target = caller.principal.name if caller.scope is Scope.OWN_HOST else None
        if not self._store.read(lambda tx: tx.runs.using_snapshot(snapshot_id, target)):
            raise NotAllowed(f"no run whose files {caller.principal} may read has that snapshot")

    def begin(self, manifest: Manifest) -> tuple[str, list[str]]:
        """The snapshot's id, and which contents are still missing; it is there once none is."""
        if len(manifest.files) > MAX_FILES:
            raise LimitExceeded(
                f"files: {len(manifest.files)} in the snapshot; at most {MAX_FILES}"
            )
        size = sum(entry[2] for entry in manifest.files)
        if size > MAX_BYTES:
            raise LimitExceeded(f"files: {size} bytes in the snapshot; at most {MAX_BYTES}")
        body = manifest.canonical()
        snapshot_id = hashlib.sha256(body).hexdigest()
        missing = self._blobs.missing({entry[3] for entry in manifest.files})
        if not missing:
            self._blobs.settle()  # what is told to be complete outlives a power cut
            self._blobs.put(snapshot_id, body)
            self._blobs.settle()
        return snapshot_id, missing

    def put(self, digest: str, data: bytes) -> None:
        self._blobs.put(digest, data)

    def require(self, ids: Collection[str]) -> None:
        """Raise SnapshotNotFound for the first that is not here."""
        for snapshot_id in self._blobs.missing(set(ids)):
            raise SnapshotNotFound(snapshot_id)

    def manifest(self, snapshot_id: str) -> dict[str, Any]:
        self.require([snapshot_id])
        try:
            found: dict[str, Any] = json.loads(self._blobs.read(snapshot_id))
            Manifest.model_validate(found)
        except ValueError as error:
            raise SnapshotNotFound(snapshot_id) from error
        return found

    def file(self, snapshot_id: str, path: str) -> tuple[int, Iterator[bytes]]:
        """The size in bytes and the content of one file. Raises SnapshotNotFound, NotFound."""
        for name, _mode, size, digest in self.manifest(snapshot_id)["files"]:
            if name == path:
                return size, self._blobs.chunks(digest)
        raise NotFound(f"snapshot {snapshot_id} has no file {path[:200]!r}")

    def archive(self, snapshot_id: str) -> Iterator[bytes]:
        """The snapshot as a tar, piece by piece; nothing of it is held in memory whole."""
        for path, mode, size, digest in self.manifest(snapshot_id)["files"]:
            header = tarfile.TarInfo(path)
            header.size, header.mode, header.mtime = size, mode, 0
            yield header.tobuf(format=tarfile.PAX_FORMAT)
            sent = 0
            for chunk in self._blobs.chunks(digest):
                sent += len(chunk)
                yield chunk
            if sent != size:
                raise InvalidSpec(
                    f"file {path!r}: {sent} bytes are stored, the manifest says {size}"
                )
            yield b"\0" * (-size % tarfile.BLOCKSIZE)
        yield b"\0" * (tarfile.BLOCKSIZE * 2)
