"""What a Docker target keeps on this machine: a folder for each job, and a claim for each name.

The folder, the job's *box*, is all that its container may write to. Inside it is the agent's root,
so the job's own folder is `jobs/<name>/` below it (docs/protocol.md, section 2). The claim outlives
box and container: it is why a name that was ever started or withdrawn never starts again.

    <state>/boxes/<job name>/      seen in the container as /dispatcher-root
    <state>/claims/<job name>      "launched", "stopped" or "withdrawn"; kept for seven days

A box belongs to the container's user, who may put anything there: once the container runs, no link
in it is followed, and what is read is read with suspicion.
"""

import json
import os
import secrets
import shutil
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from dispatcher.core.jobs import Evidence

KEPT_SECONDS = 7 * 86400
MAX_RECORD = 1024 * 1024
_EVIDENCE = TypeAdapter(Evidence)


class Claim(StrEnum):
    """What became of a name."""

    LAUNCHED = "launched"
    STOPPED = "stopped"  # launched, and being ended on purpose: its end is no loss
    WITHDRAWN = "withdrawn"


class Boxes:
    """The folders and claims of one target. Every change is on disk before the call returns."""

    def __init__(self, state: Path) -> None:
        self._boxes = state / "boxes"
        self._claims = state / "claims"
        for folder in (self._boxes, self._claims):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._forget_old_claims()

    def path(self, name: str) -> Path:
        return self._boxes / name

    def fill(self, name: str, files: Mapping[str, Any], owner: tuple[int, int]) -> Path:
        """Make the box with these JSON files in it, all belonging to `owner`. Twice is fine."""
        box = self.path(name)
        box.mkdir(mode=0o700, exist_ok=True)
        for file, value in files.items():
            _write(box / file, json.dumps(value))
        for path in (box, *(box / file for file in files)):
            if (os.geteuid(), os.getegid()) != owner:
                os.chown(path, *owner)
        return box

    def claim(self, name: str) -> Claim:
        """Claim a name for launching; the answer is whose it is now, withdrawn if it was before."""
        path = self._claims / name
        try:
            descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        except FileExistsError:
            # Empty: a launch was cut off while it wrote. It claimed the name all the same.
            return self.claimed(name) or Claim.LAUNCHED
        with os.fdopen(descriptor, "w") as file:
            file.write(Claim.LAUNCHED)
            file.flush()
            os.fsync(descriptor)
        _sync(self._claims)
        return Claim.LAUNCHED

    def withdraw(self, name: str) -> None:
        """Make sure that the name will not be launched any more."""
        _write(self._claims / name, Claim.WITHDRAWN)

    def unclaim(self, name: str) -> None:
        """Take back a claim whose container is known never to have started."""
        (self._claims / name).unlink(missing_ok=True)
        _sync(self._claims)

    def claimed(self, name: str) -> Claim | None:
        """What became of the name, if anything did."""
        try:
            return Claim((self._claims / name).read_text() or Claim.LAUNCHED)
        except FileNotFoundError:
            return None

    def note_stop(self, name: str, grace: float) -> None:
        """Note that a launched job is being stopped on purpose, and tell its shim the grace."""
        if self.claimed(name) is not Claim.STOPPED:
            _write(self._claims / name, Claim.STOPPED)
        with suppress(OSError):  # it has no folder yet: the shim takes the job's own grace
            _write_below(self.path(name), "jobs", name, "stop", text=json.dumps({"grace": grace}))

    def exit_record(self, name: str) -> Evidence | None:
        """What the shim wrote about the job's end; None if it wrote nothing that makes sense."""
        with suppress(OSError, ValueError):
            text = _read_below(self.path(name), "jobs", name, "exit.json")
            return _EVIDENCE.validate_json(text)
        return None

    def delete(self, name: str) -> None:
        """Delete the box. The claim stays."""
        shutil.rmtree(self.path(name), ignore_errors=True)

    def _forget_old_claims(self) -> None:
        limit = time.time() - KEPT_SECONDS
        for claim in self._claims.iterdir():
            if claim.stat().st_mtime < limit and not self.path(claim.name).exists():
                claim.unlink(missing_ok=True)


def _read_below(folder: Path, *parts: str) -> bytes:
    """Read a small regular file, following no link on the way to it. Raises OSError."""
    with _opened(folder, *parts[:-1]) as parent:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(parts[-1], flags, dir_fd=parent)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(f"{'/'.join(parts)} is not a regular file")
            return file.read(MAX_RECORD)


def _write_below(folder: Path, *parts: str, text: str) -> None:
    """Write a file by rename, following no link on the way to it. Raises OSError."""
    part = f".{parts[-1]}.{secrets.token_hex(8)}"
    with _opened(folder, *parts[:-1]) as parent:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(part, flags, 0o644, dir_fd=parent), "w") as file:
            file.write(text)
        os.rename(part, parts[-1], src_dir_fd=parent, dst_dir_fd=parent)


@contextmanager
def _opened(folder: Path, *parts: str) -> Iterator[int]:
    """A folder below another one, reached without following a link. Raises OSError."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(folder, flags)
    try:
        for part in parts:
            below = os.open(part, flags, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = below
        yield descriptor
    finally:
        os.close(descriptor)


def _write(path: Path, text: str) -> None:
    """Write a file whole or not at all, and have it on disk."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(part, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    _sync(path.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
