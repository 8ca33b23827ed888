"""The data folder as a client finds it: made when it is missing, explained when it is read-only."""

from __future__ import annotations

import errno
import os

from dispatcher.client.errors import ServerUnreachable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO


def make(data_folder: str) -> None:
    """Make the data folder. A missing parent means that the workspace was moved or deleted."""
    try:
        os.mkdir(data_folder, 0o700)
    except FileExistsError:
        return
    except FileNotFoundError as error:
        raise ServerUnreachable(
            f"The workspace's folder {os.path.dirname(data_folder)} is gone. If it was moved, open "
            "the workspace at its new place; Workspace.create(name, path=...) makes a new one."
        ) from error


def open_to_start(data_folder: str) -> IO[str]:
    """Open the file on which clients that start the service queue."""
    try:
        return open(os.path.join(data_folder, "service.start.lock"), "w")
    except OSError as error:
        raise ServerUnreachable(
            f"No service of {data_folder} runs that answers here, and none can be started: "
            f"{why_not_writable(data_folder, error)}"
        ) from error


def why_not_writable(data_folder: str, error: OSError) -> str:
    """Why a file of the data folder cannot be made, and the way out."""
    reason = f"{error.strerror}."
    if error.errno == errno.EROFS:
        return (
            f"{reason} A service writes into the folder, also to answer questions. Copy the "
            "project to a disk that can be written: the copy is a workspace of its own, with all "
            "runs that have ended."
        )
    owner = os.stat(data_folder).st_uid
    if error.errno in (errno.EACCES, errno.EPERM) and owner != os.geteuid():
        import shlex  # here: it takes milliseconds of each command

        return (
            f"{reason} The folder belongs to user {owner}, and this is user {os.geteuid()}. Work "
            "as that user, or give the project to this one: "
            f"sudo chown -R {os.geteuid()} {shlex.quote(os.path.dirname(data_folder))}"
        )
    return reason


def why_not_readable(data_folder: str, error: PermissionError) -> str:
    """Why the address of the service cannot be read, and the way out."""
    try:
        whose = f"user {os.stat(error.filename).st_uid}"
    except OSError:  # its folder is closed as well
        whose = "another user"
    return (
        f"The service of {data_folder} belongs to {whose}, and this is user {os.geteuid()}: "
        f"{error.strerror}. Work as that user, or have it run `dispatcher server stop` and give "
        "the project away (chown -R)."
    )
