"""What runs inherit from their submitters (`wire.inheritance`): kept as private files, by hash.

The values are in no database, because variables of a shell may be secrets. A file that no
submission has named for KEPT_SECONDS is deleted.
"""

import contextlib
import hashlib
import os
import time
from collections.abc import Collection
from pathlib import Path

from dispatcher.core.errors import InheritanceNotFound, InvalidSpec, LimitExceeded
from dispatcher.store.content.disk import write_private
from dispatcher.wire.inheritance import MAX_BYTES, decode

KEPT_SECONDS = 30 * 24 * 3600.0


class Inheritances:
    """The contents, one file for each.

    Args:
        folder: Where they lie; created when the first one comes.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, digest: str, content: bytes) -> None:
        """Keep a content. Raises LimitExceeded, InvalidSpec."""
        if len(content) > MAX_BYTES:
            raise LimitExceeded(f"inheritance: {len(content)} bytes; at most {MAX_BYTES}")
        if hashlib.sha256(content).hexdigest() != digest:
            raise InvalidSpec(f"inheritance: the content is not that of {digest!r}")
        try:
            decode(content)
        except ValueError as error:
            raise InvalidSpec(f"inheritance: {error}") from error
        path = self._folder / digest
        if not path.is_file():
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_private(path, content)
            self._delete_old()
        os.utime(path)

    def require(self, digests: Collection[str]) -> None:
        """Note that these are in use. Raises InheritanceNotFound for the first that is not here."""
        for digest in digests:
            try:
                os.utime(self._folder / digest)
            except OSError as error:
                raise InheritanceNotFound(digest) from error

    def _delete_old(self) -> None:
        oldest = time.time() - KEPT_SECONDS
        for path in self._folder.iterdir():
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime < oldest:
                    path.unlink()
