"""The data folder of a service: whose it is, where it is, and whether it is still there.

`identity.json` in the folder keeps where the folder was when its service last started, so a start
notices a folder that was moved (it goes on) or copied (it becomes an installation of its own).
"""

import fcntl
import json
import os
import shlex
import socket
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from dispatcher.core.errors import DispatcherError
from dispatcher.server.open_database import OpenDatabase
from dispatcher.store.content.disk import write_private
from dispatcher.wire.file_identity import file_id
from dispatcher.wire.hard_links import is_lock_of_other_folder
from dispatcher.wire.process_identity import ProcessIdentity, boot_id
from dispatcher.wire.sockets import UnsafeFolder, check_private

LOCK_SECONDS = 1.0
RECORD = "identity.json"
LOCK = "service.lock"
_GITIGNORE = "# Keys, database and logs of the workspace's service\n*\n"
_FIELDS = {"service_id", "folder", "device", "inode", "host", "boot_id"}


class AlreadyRunning(DispatcherError):
    """Another service holds the data folder."""


class Whereabouts(StrEnum):
    """Where the data folder of a running service is."""

    IN_PLACE = "in place"
    MOVED = "moved"
    DELETED = "deleted"
    REPLACED = "replaced by a backup or a copy"


@dataclass(frozen=True)
class Provenance:
    """What became of a data folder since its service last started.

    Attributes:
        copied_from: The folder that it is a copy of; None if it is no copy.
        moved_from: The path at which it was before; None if it was not moved.
    """

    copied_from: str | None = None
    moved_from: str | None = None


class DataFolder:
    """A data folder that this process has locked.

    Args:
        path: The folder; it is created if it is missing.

    Raises:
        AlreadyRunning: Another service holds it.
        DispatcherError: Other users can enter it.
    """

    def __init__(self, path: Path) -> None:
        make_private_folder(path)
        self._is_closed = False
        self.path = path.resolve()
        self._descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        status = os.fstat(self._descriptor)
        self.file_id = status.st_dev, status.st_ino
        self._database: OpenDatabase | None = None
        self._recorded: bytes | None = None
        if is_lock_of_other_folder(str(self.path / LOCK)):
            (self.path / LOCK).unlink(missing_ok=True)
        self._lock = lock_file(self.path / LOCK)
        self._write_holder()
        self.provenance = _provenance(self.path, self.file_id)

    def whereabouts(self) -> Whereabouts:
        """Where the folder is now. An error of the disk does not count as a move."""
        try:
            status = os.stat(self.path)
        except (FileNotFoundError, NotADirectoryError):
            is_here = False
        except OSError:
            return Whereabouts.IN_PLACE
        else:
            is_here = (status.st_dev, status.st_ino) == self.file_id
        if not is_here:
            return Whereabouts.DELETED if self._is_deleted() else Whereabouts.MOVED
        if not (self.path / LOCK).exists() and not (self.path / RECORD).exists():
            return Whereabouts.DELETED
        return Whereabouts.REPLACED if self._is_replaced() else Whereabouts.IN_PLACE

    def watch_database(self, path: Path | None) -> None:
        """From now on the folder counts as replaced when the database is another file.

        It also does when the record is not the own one, as when another data folder is copied over.

        Args:
            path: The database, which is open; None if it is not a file of this folder.
        """
        own = path is not None and path.parent.resolve() == self.path
        self._database = OpenDatabase(path) if own and path is not None else None

    def record(self, service_id: str) -> None:
        """Write down where the folder is; from now on it is no copy."""
        device, inode = self.file_id
        facts = {
            "service_id": service_id,
            "folder": str(self.path),
            "device": device,
            "inode": inode,
            "host": socket.gethostname(),
            "boot_id": boot_id(),
        }
        self._recorded = json.dumps(facts).encode()
        write_private(self.path / RECORD, self._recorded)

    def keep_lock(self) -> bool:
        """Show that the service lives, and make the lock file again if it was deleted.

        Returns:
            Whether the folder is still this process's: a deleted lock may have been taken.
        """
        path = self.path / LOCK
        own = os.fstat(self._lock)
        if file_id(str(path)) != (own.st_dev, own.st_ino):
            try:
                lock = lock_file(path)
            except AlreadyRunning:
                return False
            os.close(self._lock)
            self._lock = lock
            self._write_holder()
        os.utime(self._lock)
        return True

    def close(self) -> None:
        """Release the folder. A second call does nothing."""
        if not self._is_closed:
            self._is_closed = True
            if self._database is not None and self._database.is_replaced():
                self._database.remove_leftovers()
            os.close(self._lock)
            os.close(self._descriptor)

    def _is_replaced(self) -> bool:
        if self._database is not None and self._database.is_replaced():
            return True
        if self._recorded is None:
            return False
        try:
            text = (self.path / RECORD).read_bytes()
        except OSError:
            return False
        return text != self._recorded and _read_record(self.path) is not None

    def _is_deleted(self) -> bool:
        return os.readlink(f"/proc/self/fd/{self._descriptor}").endswith(" (deleted)")

    def _write_holder(self) -> None:
        holder = {**ProcessIdentity.own().encoded(), "folder_inode": self.file_id[1]}
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, json.dumps(holder).encode(), 0)


def make_private_folder(path: Path) -> None:
    """Make a data folder private; one of an earlier release was open to other users.

    Git ignores what is in it, so that no `git add` publishes the keys.

    Raises:
        DispatcherError: It or a file in it belongs to another user, or others can enter it.
    """
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    _require_own_files(path)
    if path.stat().st_uid == os.geteuid():
        path.chmod(0o700)
        if not (path / ".gitignore").exists():
            (path / ".gitignore").write_text(_GITIGNORE)
        for entry in path.iterdir():
            if entry.is_file() and not entry.is_symlink():
                entry.chmod(0o600)
    try:
        check_private(str(path.resolve()), path.stat().st_uid)
    except UnsafeFolder as error:
        raise DispatcherError(f"data_dir: {error}") from error


def _require_own_files(path: Path) -> None:
    """Root may work in a user's folder; after it the user cannot read what root has written."""
    own = os.geteuid()
    if own == 0 or path.stat().st_uid != own:  # the latter is told by the check of the folder
        return
    for entry in path.iterdir():
        owner = entry.lstat().st_uid
        if owner != own:
            raise DispatcherError(
                f"data_dir: {entry} belongs to user {owner}, and this service is of user {own}; "
                f"a service of user {owner} has run here. Work as that user, or give the project "
                f"to this one: sudo chown -R {own} {shlex.quote(str(path.parent))}"
            )


def lock_file(path: Path) -> int:
    """Take the lock of a file; returns the descriptor that holds it.

    Clients that check whether a service runs hold it for an instant as well.

    Raises:
        AlreadyRunning: Another process holds it.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    patience = Retrying(
        retry=retry_if_exception_type(BlockingIOError),
        stop=stop_after_delay(LOCK_SECONDS),
        wait=wait_fixed(LOCK_SECONDS / 20),
        reraise=True,
    )
    try:
        patience(fcntl.flock, descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        place = path.parent if path.name == LOCK else path.with_suffix("")
        raise AlreadyRunning(
            f"a service is already running on {place}; stop it with: dispatcher server stop"
        ) from error
    return descriptor


def _provenance(path: Path, own: tuple[int, int]) -> Provenance:
    record = _read_record(path)
    if record is None:
        return Provenance()
    before = str(record["folder"])
    is_of_other_host = _is_of_other_host(record)
    # The number of a device is one of its host: each host has another for a shared or movable disk.
    device = own[0] if is_of_other_host else record["device"]
    is_same_file = (device, record["inode"]) == own
    if before == str(path):
        # A backup that was restored has another inode number. On another host it is a copy.
        is_copy = is_of_other_host and not is_same_file
        return Provenance(copied_from=f"{before} on {record['host']}" if is_copy else None)
    if is_same_file:
        return Provenance(moved_from=before)
    original = _read_record(Path(before))
    has_original = original is not None and original["service_id"] == record["service_id"]
    if has_original and file_id(before) != own:
        return Provenance(copied_from=before)
    if is_of_other_host:
        return Provenance(copied_from=f"{before} on {record['host']}")
    return Provenance(moved_from=before)


def _is_of_other_host(record: dict[str, object]) -> bool:
    """Whether another machine wrote the record. Containers of one machine share its boot id."""
    return record["host"] != socket.gethostname() and record["boot_id"] != boot_id()


def _read_record(path: Path) -> dict[str, object] | None:
    try:
        record = json.loads((path / RECORD).read_text())
        return record if set(record) >= _FIELDS else None
    except (OSError, ValueError, TypeError):
        return None
