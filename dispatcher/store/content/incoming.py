"""A content that comes in one stream, of unknown length and hash: into a temporary file, hashed as
it comes, and a blob once it is there.
"""

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path
from types import TracebackType

from dispatcher.store.content.blobs import Blobs
from dispatcher.store.content.disk import room


class Incoming:
    """One content. Use it as a context manager: what was not adopted is gone at its end."""

    def __init__(self, blobs: Blobs, folder: Path) -> None:
        self._blobs = blobs
        descriptor, name = tempfile.mkstemp(prefix="incoming-", dir=folder)
        self._file = os.fdopen(descriptor, "wb")
        self._path = Path(name)
        self._hash = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> None:
        with room(self._path.parent):
            self._file.write(data)
        self._hash.update(data)
        self.size += len(data)

    def adopt(self) -> str:
        """Make it a blob, on the disk on return; its hash."""
        with room(self._path.parent):
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
        digest = self._hash.hexdigest()
        if self._blobs.missing({digest}):
            self._blobs.adopt(digest, self._path)
        return digest

    def __enter__(self) -> "Incoming":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # what was not written, nobody wants any more
            self._file.close()
