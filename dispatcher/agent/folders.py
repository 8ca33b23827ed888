"""The paths below an agent's root, and files that are written to outlive a crash."""

from __future__ import annotations

import contextlib
import json
import os
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional

MAX_NAME_LENGTH = 250
_READ = 1 << 16
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*")


class Root:
    """The paths below one agent's root.

    Args:
        path: The root.
        existing: `prepare` does not create the root: it may have been moved or deleted.
    """

    def __init__(self, path: str, existing: bool = False) -> None:
        self.path = os.path.abspath(path)
        self._existing = existing
        self.jobs = os.path.join(self.path, "jobs")
        self.claims = os.path.join(self.path, "claims")
        self.snapshots = os.path.join(self.path, "snapshots")
        self.environments = os.path.join(self.path, "environments")
        self.inheritances = os.path.join(self.path, "inheritances")
        self.builds = os.path.join(self.path, "builds")
        self.runtime = os.path.join(self.path, "runtime")
        self.trash = os.path.join(self.path, "trash")
        self.lease = os.path.join(self.path, "lease")
        self.lock = os.path.join(self.path, "agent.lock")
        self.socket = os.path.join(self.path, "agent.sock")
        self.events = os.path.join(self.path, "events.sock")

    def prepare(self) -> None:
        """Create the missing folders. Raises FileNotFoundError if an existing root is gone."""
        if not self._existing:
            os.makedirs(self.path, exist_ok=True)
        for folder in (self.jobs, self.claims, self.snapshots, self.runtime, self.trash):
            make_folder(folder)
        for folder in (self.path, os.path.dirname(self.path)):  # durable files lie in them
            sync_folder(folder)

    def job(self, name: str) -> str:
        """The folder of a job."""
        return f"{self.jobs}/{name}"

    def claim(self, name: str, lock: Optional[str] = None) -> bool:
        """Claim a name; False if it was claimed before, by any process.

        On return the claim outlives a power cut; otherwise a job could be started twice.

        Args:
            name: The name.
            lock: The job's lock file. The claim is then a hard link to it where that is possible,
                which saves making and deleting a file.
        """
        path = f"{self.claims}/{name}"
        try:
            if lock is None or not _linked(lock, path):
                mode = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC
                os.close(os.open(path, mode, 0o600))
        except FileExistsError:
            return False
        sync_folder(self.claims)
        return True

    def is_claimed(self, name: str) -> bool:
        """Whether a job of that name was started or withdrawn."""
        return os.path.lexists(f"{self.claims}/{name}")


def _linked(file: str, path: str) -> bool:
    """Create a hard link to a file; False where that is impossible. Raises FileExistsError.

    A job's folder in a container is a mount of its own, and links cannot cross mounts.
    """
    try:
        os.link(file, path)
    except FileExistsError:
        raise
    except OSError:
        return False
    return True


def check_name(name: object) -> str:
    """Return a valid job name.

    Raises:
        ValueError: It has other characters than letters, digits, `_`, `-` and `.`, or is too long.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name) or len(name) > MAX_NAME_LENGTH:
        raise ValueError(
            f"name: {name!r} is not a job name: at most {MAX_NAME_LENGTH} of A-Z a-z 0-9 _ - ."
        )
    return name


def write_json(path: str, value: Any, durable: bool = False) -> None:
    """Write a file by rename: a reader sees the whole file or none.

    Args:
        path: The file.
        value: What to write.
        durable: Return only when the file outlives a power cut.
    """
    temporary = f"{path}.new"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    descriptor = os.open(temporary, flags, 0o600)
    try:
        _write_all(descriptor, json.dumps(value).encode("utf-8", "surrogatepass"))
        if durable:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.rename(temporary, path)
    if durable:
        sync_folder(os.path.dirname(path))


def make_durable(path: str) -> None:
    """Sync a file and its folder, so that it outlives a power cut. A missing file is ignored."""
    with contextlib.suppress(FileNotFoundError):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        sync_folder(os.path.dirname(path))


def write_bytes(path: str, data: bytes) -> None:
    """Write a file by rename, durably. Raises OSError.

    Args:
        path: The file.
        data: Its content.
    """
    temporary = f"{path}.{os.getpid()}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    descriptor = os.open(temporary, flags, 0o600)
    try:
        _write_all(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.rename(temporary, path)
    sync_folder(os.path.dirname(path))


def read_json(path: str) -> Optional[Dict[str, Any]]:
    """The JSON object in a file; None if there is no file, or it cannot be decoded."""
    if not os.access(path, os.R_OK):  # the usual case, and the cheapest check
        return None
    try:
        value = json.loads(read_file(path))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def read_file(path: str) -> bytes:
    """The whole content of a file; reading a pipe in its place does not block."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        parts = [os.read(descriptor, _READ)]
        while len(parts[-1]) == _READ:
            parts.append(os.read(descriptor, _READ))
    finally:
        os.close(descriptor)
    return b"".join(parts)


def make_folder(path: str) -> None:
    """Create one folder unless it exists."""
    with contextlib.suppress(FileExistsError):
        os.mkdir(path)


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def sync_folder(path: str) -> None:
    """Write a folder's entries to the disk. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
