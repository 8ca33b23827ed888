"""The setup of a launcher's node: its folder, the agent's code, and the node's environment.

It is sent to the cluster by value, as `launcher.py` is.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib
import io
import json
import os
import shutil
import socket
import stat
import sys
import tempfile
import time
import zipfile
from collections.abc import Mapping
from typing import Any

import ray

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
AGENT_PACKAGE = "_compute_target_dispatcher"  # as in dispatcher.agent.origin
KEEP_SECONDS = 7 * 24 * 3600.0


def clock() -> float:
    """Seconds since the boot, including suspension; the clock of the agent's lease."""
    return time.clock_gettime(_CLOCK)


def alive_nodes() -> set[str]:
    records = ray.nodes()  # type: ignore[no-untyped-call]
    return {record["NodeID"] for record in records if record["Alive"]}


def node_folder(owner: str, node_id: str) -> str:
    """The node's folder. Raises PermissionError unless it is private to this user."""
    path = os.path.join(tempfile.gettempdir(), f"dispatcher-{owner}-{node_id[:12]}")
    with contextlib.suppress(FileExistsError):
        os.mkdir(path, 0o700)
    status = os.lstat(path)
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o077:
        raise PermissionError(f"{path} is not a private folder of this user")
    return path


def earlier_jobs_end_at(root: str, owner: str) -> float:
    """The time after which no job of an earlier Ray node on this machine holds a device.

    A restarted Ray node has a new id and the same GPUs. The jobs of the earlier node continue until
    its lease has expired.
    """
    over = 0.0
    for other in earlier_folders(root, owner):
        with contextlib.suppress(OSError, ValueError, KeyError), open(f"{other}/lease") as file:
            until = float(json.load(file)["until"])
            if until < clock() + 3600:  # otherwise it was written before the machine was booted
                over = max(over, until + 1)
    return over


def delete_old_folders(root: str, owner: str) -> None:
    """Delete the folders of earlier nodes that were unused for a week."""
    for other in earlier_folders(root, owner):
        with contextlib.suppress(OSError):
            if time.time() - os.stat(f"{other}/lease").st_mtime > KEEP_SECONDS:
                shutil.rmtree(other, ignore_errors=True)


def earlier_folders(root: str, owner: str) -> list[str]:
    """The folders of launchers on this machine that have ended or left the cluster."""
    prefix = f"dispatcher-{owner}-"
    folder = os.path.dirname(root)
    alive = {node_id[:12] for node_id in alive_nodes()}
    folders = []
    for name in os.listdir(folder):
        other, node = os.path.join(folder, name), name[len(prefix) :]
        is_one = name.startswith(prefix) and len(name) == len(os.path.basename(root))
        if is_one and other != root and not (node in alive and is_served(other)):
            folders.append(other)
    return folders


def is_served(root: str) -> bool:
    """Whether a living launcher uses the folder."""
    try:
        with open(f"{root}/agent.lock", "rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def stored_lease_terms(root: str) -> Mapping[str, float] | None:
    """The lease terms of the previous launcher."""
    try:
        with open(f"{root}/terms") as file:
            terms: Mapping[str, float] = json.load(file)
            return terms
    except FileNotFoundError:
        return None


def code_folder(root: str, code: bytes) -> str:
    """The folder with the unpacked code; it is written again if a file of it is damaged.

    A power cut may leave empty files in a folder that was renamed without a sync.
    """
    path = f"{root}/code-{hashlib.sha256(code).hexdigest()[:12]}"
    with zipfile.ZipFile(io.BytesIO(code)) as packed:
        if all(_has_size(f"{path}/{entry.filename}", entry.file_size) for entry in packed.filelist):
            return path
        part = f"{path}.{os.getpid()}"
        for old in (part, path):
            shutil.rmtree(old, ignore_errors=True)
        packed.extractall(part)
    os.sync()
    with contextlib.suppress(OSError):  # another launcher of this node was faster
        os.rename(part, path)
    os.sync()
    return path


def _has_size(path: str, size: int) -> bool:
    try:
        return os.stat(path).st_size == size
    except OSError:
        return False


def start_agent(root: str, code: bytes) -> Any:
    """Start the node agent from the code that was sent."""
    sys.path.insert(0, code_folder(root, code))
    agents = importlib.import_module(f"{AGENT_PACKAGE}.agent.node")
    agent = agents.NodeAgent(root, environ=environment())
    for _ in range(100):  # the previous launcher may still be ending
        try:
            agent.start()
        except agents.AgentIsRunning:
            time.sleep(0.1)
        else:
            return agent
    raise RuntimeError(f"another launcher has {root}")


def environment() -> dict[str, str]:
    """The variables that jobs inherit: those of the node's start, without Ray's own.

    Ray gives its actors the cluster's token, a thread count of one and a preloaded allocator, which
    scripts must not get.
    """
    try:
        with open(f"/proc/{os.getppid()}/environ", "rb") as file:
            pairs = os.fsdecode(file.read()).split("\0")
        variables = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
    except OSError:
        variables = dict(os.environ)
        variables.pop("OMP_NUM_THREADS", None)
    if "/ray/core/" in variables.get("LD_PRELOAD", ""):
        del variables["LD_PRELOAD"]
    return {name: value for name, value in variables.items() if not name.startswith("RAY_")}


def free_ports(count: int) -> int:
    """The first of `count` consecutive ports that are free now."""
    while True:
        with contextlib.ExitStack() as held, contextlib.suppress(OSError, OverflowError):
            first = 0
            for k in range(max(1, count)):
                one = held.enter_context(socket.socket())
                one.bind(("", first + k if first else 0))
                first = first or int(one.getsockname()[1])
            return first
