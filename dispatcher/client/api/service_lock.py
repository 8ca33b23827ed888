"""The lock that a service holds on its data folder, and the process and host that hold it.

The service writes its process into `<data>/service.lock` and touches the file every few seconds. On
a file system that other hosts share, that shows a service which cannot be reached from here.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time

from dispatcher.client.errors import ServerUnreachable
from dispatcher.wire.hard_links import is_lock_of_other_folder
from dispatcher.wire.process_identity import ProcessIdentity

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

# A service touches its lock every two seconds.
SILENCE_SECONDS = 10.0
# A service writes its process into the lock at once after it has taken it.
HOLDER_SECONDS = 5.0
_LOOK_EVERY = 0.25


def is_locked(data_folder: str) -> bool:
    """Whether a service process holds the data folder."""
    if is_lock_of_other_folder(_path(data_folder)):
        return False
    try:
        with open(_path(data_folder)) as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False
    except FileNotFoundError:
        return False
    except OSError:
        return True


def holder(data_folder: str) -> Optional[ProcessIdentity]:
    """The process that holds the data folder, or held it last; None if it is not recorded."""
    try:
        with open(_path(data_folder), encoding="utf-8") as file:
            return ProcessIdentity.of(json.load(file))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def require_reachable(data_folder: str) -> None:
    """Raise ServerUnreachable if a service holds the data folder where it cannot be reached from.

    That is on another host, or in a container of this one. The lock alone does not show a service
    on another host: some file systems keep locks for each host.
    """
    process = holder(data_folder)
    if process is not None and process.is_of_this_kernel:
        _require_same_processes(data_folder)
        return
    if process is None or process.host == socket.gethostname():
        return
    if is_locked(data_folder) or _is_touched(data_folder):
        raise ServerUnreachable(
            f"The service of {data_folder} runs on host {process.host} (process {process.pid}); "
            f"this is {socket.gethostname()}. Work on {process.host}, or stop the service there "
            "with `dispatcher server stop`; the next command on any host then starts it there."
        )


def _require_same_processes(data_folder: str) -> None:
    """Raise ServerUnreachable if the holder is no process that is seen here, as in a container."""
    deadline = time.monotonic() + HOLDER_SECONDS
    while is_locked(data_folder):
        process = holder(data_folder)
        if process is None or process.is_alive_here:
            return
        if time.monotonic() > deadline:
            raise ServerUnreachable(
                f"The service of {data_folder} runs in another container of this machine, or "
                f"outside of this one (process {process.pid} on host {process.host}), and its "
                "socket cannot be reached from here. Work there, or stop the service there with "
                "`dispatcher server stop`; the next command here then starts it here."
            )
        time.sleep(_LOOK_EVERY)


def describe_holder(data_folder: str) -> str:
    """A sentence about the process that holds the data folder; empty if there is none."""
    process = holder(data_folder)
    if process is None or not is_locked(data_folder):
        return ""
    advice = f" It is suspended: kill -CONT {process.pid}" if process.is_suspended_here else ""
    return f" Process {process.pid} on host {process.host} holds the folder.{advice}"


def _is_touched(data_folder: str) -> bool:
    """Whether the holder still touches the lock file; that takes some seconds to see."""
    before = _touched_at(data_folder)
    deadline = time.monotonic() + SILENCE_SECONDS
    while before is not None and time.monotonic() < deadline:
        time.sleep(_LOOK_EVERY)
        if _touched_at(data_folder) != before:
            return True
    return False


def _touched_at(data_folder: str) -> Optional[int]:
    try:
        return os.stat(_path(data_folder)).st_mtime_ns
    except OSError:
        return None


def _path(data_folder: str) -> str:
    return os.path.join(data_folder, "service.lock")
