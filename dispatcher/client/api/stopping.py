"""Ending the embedded service of a data folder, and the node agents that it has started."""

from __future__ import annotations

import contextlib
import fcntl
import glob
import os
import signal
import time

from dispatcher.client.api import service, service_lock
from dispatcher.client.errors import ServerUnreachable, WaitTimeoutError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, List, Optional

    from dispatcher.wire.process_identity import ProcessIdentity

SERVICE_SECONDS = 20.0
AGENT_SECONDS = 40.0  # an agent looks for its root every ten seconds
_LOOK_SECONDS = 0.05


def stop_service(data_folder: str, seconds: float = SERVICE_SECONDS) -> bool:
    """Stop the living service of a data folder and wait until its process has ended.

    Args:
        data_folder: The folder.
        seconds: How long the process may take.

    Returns:
        Whether there was one.

    Raises:
        ServerUnreachable: It runs on another host, or where it cannot be signaled from here.
        WaitTimeoutError: It has not ended in time.
    """
    found = service.identify(data_folder)
    process = found[1].process if found is not None else _holder(data_folder)
    if process is None:
        return False
    if not process.is_alive_here:
        raise ServerUnreachable(
            f"The service of {data_folder} is process {process.pid} on host {process.host}, which "
            "cannot be signaled from here. Stop it there with `dispatcher server stop`."
        )
    os.kill(process.pid, signal.SIGTERM)
    _wait(
        lambda: not service_lock.is_locked(data_folder),
        seconds,
        f"process {process.pid} does not end; see {os.path.join(data_folder, 'service.log')}",
    )
    return True


def _holder(data_folder: str) -> Optional[ProcessIdentity]:
    """The process of a service that holds the folder and does not answer; None if there is none."""
    service_lock.require_reachable(data_folder)
    return service_lock.holder(data_folder) if service_lock.is_locked(data_folder) else None


def stop_agents(data_folder: str, seconds: float = AGENT_SECONDS) -> None:
    """End the local node agents of a data folder, which is going to be deleted.

    An agent whose lock file is gone ends by itself; its lock is free once it has ended. One that
    had no lock yet, because the service had just started it, is ended by a signal.

    Raises:
        WaitTimeoutError: One has not ended in time.
    """
    held = []
    for path in glob.glob(os.path.join(glob.escape(data_folder), "nodes", "*", "agent.lock")):
        held.append((path, os.open(path, os.O_RDONLY | os.O_CLOEXEC)))
        os.unlink(path)
    try:
        for path, descriptor in held:
            _wait(
                lambda descriptor=descriptor: _is_free(descriptor),  # type: ignore[misc]
                seconds,
                f"the node agent of {os.path.dirname(path)} does not end",
            )
    finally:
        for _, descriptor in held:
            os.close(descriptor)
    _wait(
        lambda: not _end_starting(os.path.join(data_folder, "nodes")),
        seconds,
        f"a node agent of {data_folder} does not end",
    )


def _end_starting(nodes: str) -> List[int]:
    """Signal the agents that serve a root below a folder; return their process ids."""
    agents = []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and _serves_below(int(entry), nodes):
            agents.append(int(entry))
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(entry), signal.SIGTERM)
    return agents


def _serves_below(pid: int, nodes: str) -> bool:
    """Whether a process of this user is an agent whose root is below a folder."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            command = file.read().split(b"\0")
        is_own = os.stat(f"/proc/{pid}").st_uid == os.geteuid()
    except OSError:
        return False
    is_agent = is_own and command[1:4] == [b"-m", b"dispatcher.agent", b"serve"]
    roots = [command[k + 1] for k, word in enumerate(command[:-1]) if word == b"--root"]
    return is_agent and any(root.startswith(os.fsencode(nodes) + b"/") for root in roots)


def _wait(is_done: Callable[[], bool], seconds: float, failure: str) -> None:
    deadline = time.monotonic() + seconds
    while not is_done():
        if time.monotonic() > deadline:
            raise WaitTimeoutError(failure)
        time.sleep(_LOOK_SECONDS)


def _is_free(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
