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
    from typing import Optional

LONGEST_PATH = 107  # characters of a Unix socket's path, on Linux
LONGEST_NAME = 80  # characters below the folder: `service/s`, `<target>.agent`
_CREDENTIALS = struct.Struct("3i")  # process, user, group


class UnsafeFolder(OSError):
    """A folder is not private, or another user listens on a socket; nothing was sent."""


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


def socket_folder(record: str, owner: str, earlier: str) -> str:
    """Return the private folder for the sockets of a data folder; make it if there is none.

    Its name cannot be foreseen, so no other user can make it first. The record keeps the name, so
    that agents which outlive the service are found again.

    Args:
        record: The file in the data folder that keeps the name.
        owner: The data folder's path. A record that was copied or moved with its data folder does
            not count: two services must not share their sockets.
        earlier: The folder that earlier releases used; it is taken over if it is there and private.
    """
    import json  # here, so that clients do not import it
    import tempfile

    known = _recorded(record, owner) or (earlier if _is_private(earlier) else None)
    if known is None:
        known = tempfile.mkdtemp(prefix=f"dispatcher-{os.geteuid()}-", dir=_short_folder())
    if known != _recorded(record, owner):
        part = f"{record}.{os.getpid()}"
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump({"folder": known, "owner": owner}, file)
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


def _recorded(record: str, owner: str) -> Optional[str]:
    import json

    try:
        with open(record, encoding="utf-8") as file:
            kept = json.load(file)
        folder = str(kept["folder"])
        return folder if kept["owner"] == owner and _is_private(folder) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _is_private(path: str) -> bool:
    try:
        check_private(path)
    except OSError:
        return False
    return True


def _short_folder() -> str:
    """The temporary directory, or /tmp where its path is too long for sockets below it."""
    import tempfile

    folder = tempfile.gettempdir()
    longest = LONGEST_PATH - LONGEST_NAME - len("/dispatcher-4294967295-12345678/")
    return folder if len(folder) <= max(longest, len("/tmp")) else "/tmp"
