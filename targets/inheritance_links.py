"""Gives a node's agent on this machine what its jobs inherit (`wire.inheritance`)."""

import contextlib
import os
import shutil
import time
from pathlib import Path

from dispatcher.wire.inheritance import decode

KEPT_SECONDS = 30 * 24 * 3600.0
MAX_KNOWN = 1024


class InheritanceLinks:
    """Links the service's files into the agent's folder, each when the first job names it.

    Args:
        source: The service's folder; None: jobs inherit from the agent.
        folder: The agent's folder.
    """

    def __init__(self, source: Path | None, folder: Path) -> None:
        self._source, self._folder = source, folder
        self._pythons: dict[str, str] = {}

    def python(self, digest: str | None) -> str:
        """The interpreter that a job inherits, with the file in place; empty if there is none."""
        if digest is None or self._source is None:
            return ""
        known = self._pythons.get(digest)
        if known is None:
            if len(self._pythons) >= MAX_KNOWN:
                self._pythons.clear()
            known = self._pythons[digest] = self._link(digest)
        return known

    def _link(self, digest: str) -> str:
        assert self._source is not None
        source, link = self._source / digest, self._folder / digest
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            try:
                os.link(source, link)
            except FileExistsError:
                os.utime(link)
            except OSError:  # on another file system
                part = link.with_name(f"{digest}.part")
                shutil.copy2(source, part)
                part.replace(link)
            self._delete_old()
        try:
            return decode(link.read_bytes()).python
        except (OSError, ValueError):
            return ""  # it was deleted: the agent notes that the job has the agent's environment

    def _delete_old(self) -> None:
        oldest = time.time() - KEPT_SECONDS
        for path in self._folder.iterdir():
            with contextlib.suppress(FileNotFoundError):
                if path.name not in self._pythons and path.stat().st_mtime < oldest:
                    path.unlink()
