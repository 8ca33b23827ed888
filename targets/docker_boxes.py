"""What a Docker target keeps on this machine: two folders for each job, a claim for each name.

The folders are all that a job's container may write to: the job's own (docs/protocol.md, section 2)
and a *box* around it, which is the agent's root there and the user's home. The claim outlives both:
it is why a name that was ever started or withdrawn never starts again.

    <state>/boxes/<job name>/      seen in the container as /dispatcher-root
    <state>/jobs/<job name>/       seen in the container as /dispatcher-root/jobs/<job name>
    <state>/claims/<job name>      "launched", "stopped" or "withdrawn"; kept for seven days

The folders belong to the container's user, who may put anything there: once the container runs, no
link in them is followed, and what is read is read with suspicion.
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
        self._jobs = state / "jobs"
        self._claims = state / "claims"
        for folder in (self._boxes, self._jobs, self._claims):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._forget_old_claims()

    def fill(
        self,
        name: str,
        job: Mapping[str, Any],
        settings: Mapping[str, Any],
        owner: tuple[int, int],
    ) -> None:
        """Make the folders, with the job and the agent's settings written down in them, all
        belonging to `owner`. Twice is fine.
        """
        folder, box = self._jobs / name, self._boxes / name
        # What is mounted into the box needs a place there, or the engine would make one for root.
        places = [box / "jobs" / name, box / "snapshots" / (job.get("snapshot") or "")]
        for path in (folder, *places):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(folder / "job.json", json.dumps(job))
        _write(box / "service.json", json.dumps(settings))
        if (os.geteuid(), os.getegid()) != owner:
            for path in (folder, folder / "job.json", box, *box.rglob("*")):
                os.chown(path, *owner, follow_symlinks=False)

    def is_there(self, name: str) -> bool:
        """Whether the job still has a folder."""
        return (self._jobs / name).is_dir()

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
            _write_below(self._jobs / name, "stop", text=json.dumps({"grace": grace}))

    def exit_record(self, name: str) -> Evidence | None:
        """What the shim wrote about the job's end; None if it wrote nothing that makes sense."""
        with suppress(OSError, ValueError):
            text = _read_below(self._jobs / name, "exit.json")
            return _EVIDENCE.validate_json(text)
        return None

    def delete(self, name: str) -> None:
        """Delete the folders. The claim stays."""
        for folder in (self._boxes, self._jobs):
            shutil.rmtree(folder / name, ignore_errors=True)

    def _forget_old_claims(self) -> None:
        limit = time.time() - KEPT_SECONDS
        for claim in self._claims.iterdir():
            if claim.stat().st_mtime < limit and not self.is_there(claim.name):
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
