"""Unix sockets that no other user of the machine can take the place of.

A socket lies in a private folder: a real folder (no link) of the expected user, which nobody else
may enter. Whoever binds a socket checks the folder, and whoever connects checks the folder and the
user that listens, before anything is sent.
"""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterator, Mapping, Optional

LONGEST_PATH = 107  # characters of a Unix socket's path, on Linux
LONGEST_NAME = 80  # characters below the folder: `service/s`, `<target>.agent`
_CREDENTIALS = struct.Struct("3i")  # process, user, group


class UnsafeFolder(OSError):
    """A folder is not private, or another user listens on a socket; nothing was sent."""


class NoSocketFolder(OSError):
    """No directory takes sockets."""


def check_private(path: str, uid: Optional[int] = None) -> None:
    """Raise UnsafeFolder unless a folder belongs to a user alone.

    Args:
        path: The folder.
        uid: Whose it must be; the default is the user of this process.
    """
    expected = os.geteuid() if uid is None else uid
    status = os.lstat(path)
    if not stat.S_ISDIR(status.st_mode):
        raise UnsafeFolder(f"{path} is not a folder of its own")
    if status.st_uid != expected:
        raise UnsafeFolder(f"{path} belongs to user {status.st_uid}, not {expected}")
    if status.st_mode & 0o077:
        mode = stat.S_IMODE(status.st_mode)
        raise UnsafeFolder(f"{path} has mode {mode:o}: other users may enter it; it must be 700")


def make_private(path: str) -> None:
    """Make a folder that is private from the first, or check the one that is there.

    Raises UnsafeFolder.
    """
    with contextlib.suppress(FileExistsError):
        os.mkdir(path, 0o700)
    check_private(path)


@contextlib.contextmanager
def short_path(path: str) -> Iterator[str]:
    """A path of a socket that fits into the kernel's 108 bytes, however deep its folder is.

    It is valid in the block alone.
    """
    if len(os.fsencode(path)) <= LONGEST_PATH:
        yield path
        return
    folder = os.open(os.path.dirname(path), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{os.path.basename(path)}"
    finally:
        os.close(folder)


def socket_folder(record: str, owner: str, earlier: str) -> str:
    """Return the private folder for the sockets of a data folder; make it if there is none.

    Its name cannot be foreseen, so no other user can make it first. The record keeps the name, so
    that the sockets are found again after a restart, with another temporary directory, and after
    the temporary directory was emptied.

    Args:
        record: The file in the data folder that keeps the name.
        owner: The data folder's path. A record that was copied with its data folder does not
            count, because two services must not share their sockets. A moved one does.
        earlier: The folder that earlier releases used; it is taken over if it is there and private.

    Raises:
        NoSocketFolder: In none of the temporary directories a socket can be made.
    """
    import json  # here, so that clients do not import it

    status = os.stat(owner)
    own = {"owner": owner, "device": status.st_dev, "inode": status.st_ino}
    recorded = _recorded(record)
    known = _made_again(recorded["folder"]) if _is_owned(recorded, own) else None
    if known is None and _is_private(earlier):
        known = earlier
    if known is None:
        known = _new_folder()
    if recorded != {"folder": known, **own}:
        part = f"{record}.{os.getpid()}"
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump({"folder": known, **own}, file)
        os.replace(part, record)
    return known


def check_peer(connection: socket.socket, uid: int) -> None:
    """Raise UnsafeFolder unless the process that listens belongs to a user, or to root.

    Args:
        connection: A connected Unix socket.
        uid: Who is expected to listen.
    """
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:  # no such option on this system: the folder's mode has to do
        return
    credentials = connection.getsockopt(socket.SOL_SOCKET, option, _CREDENTIALS.size)
    peer = _CREDENTIALS.unpack(credentials)[1]
    if peer not in (uid, 0):
        raise UnsafeFolder(f"user {peer} listens on the socket, not user {uid}")


def _recorded(record: str) -> Dict[str, Any]:
    import json

    try:
        with open(record, encoding="utf-8") as file:
            kept = json.load(file)
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) and isinstance(kept.get("folder"), str) else {}


def _is_owned(recorded: Mapping[str, Any], own: Mapping[str, Any]) -> bool:
    """Whether a record is of a data folder: one at that path, or one that was moved."""
    same_file = all(recorded.get(key) == own[key] for key in ("device", "inode"))
    return bool(recorded) and (recorded.get("owner") == own["owner"] or same_file)


def _made_again(folder: str) -> Optional[str]:
    """The recorded folder, made again if it is gone; None if something else is in its place."""
    try:
        make_private(folder)
    except OSError:  # not ours, or its parent is gone or full
        return None
    return folder


def _is_private(path: str) -> bool:
    try:
        check_private(path)
    except OSError:
        return False
    return True


def _new_folder() -> str:
    """Make a private folder in the first temporary directory that takes sockets."""
    import tempfile

    failures = []
    for parent in _parents():
        try:
            folder = tempfile.mkdtemp(prefix=f"dispatcher-{os.geteuid()}-", dir=parent)
        except OSError as error:
            failures.append(f"{parent}: {error.strerror}")
            continue
        try:
            _try_socket(folder)
        except OSError as error:  # no inode left, or a file system without sockets
            failures.append(f"{parent}: {error.strerror}")
            os.rmdir(folder)
            continue
        return folder
    raise NoSocketFolder(
        f"no directory for sockets can be made ({'; '.join(failures)}); set TMPDIR to a directory "
        "that can be written, with a short path"
    )


def _try_socket(folder: str) -> None:
    """Raise OSError unless a socket can be made in a folder."""
    path = os.path.join(folder, "try")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
    os.unlink(path)


def _parents() -> Iterator[str]:
    """Directories for sockets, in order: the temporary one, if its path is short, and others."""
    import tempfile

    longest = LONGEST_PATH - LONGEST_NAME - len("/dispatcher-4294967295-12345678/")
    with contextlib.suppress(FileNotFoundError):  # none can be written
        folder = tempfile.gettempdir()
        if len(folder) <= max(longest, len("/tmp")):
            yield folder
    yield from ("/tmp", "/var/tmp", "/dev/shm")
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")  # last: it is deleted at the logout
    if os.path.isabs(runtime) and len(runtime) <= longest:
        yield runtime
