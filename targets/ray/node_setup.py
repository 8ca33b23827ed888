"""What a launcher stands on: its folder, the agent's code, the environment of its node.

Sent to the cluster by value, as `launcher.py` is.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
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
KEEP_SECONDS = 7 * 24 * 3600.0


def clock() -> float:
    """Seconds since the boot, those spent suspended included; the clock of the agent's lease."""
    return time.clock_gettime(_CLOCK)


def alive_nodes() -> set[str]:
    records = ray.nodes()  # type: ignore[no-untyped-call]
    return {record["NodeID"] for record in records if record["Alive"]}


def node_folder(owner: str, node_id: str) -> str:
    """The node's folder, which nobody else may have made or look into."""
    path = os.path.join(tempfile.gettempdir(), f"dispatcher-{owner}-{node_id[:12]}")
    with contextlib.suppress(FileExistsError):
        os.mkdir(path, 0o700)
    found = os.lstat(path)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise PermissionError(f"{path} is not this user's own folder")
    return path


def earlier_jobs_end_at(root: str, owner: str) -> float:
    """When no job of an earlier life of this machine can hold a device any more.

    A Ray node that was started again has a new id and the same GPUs. The jobs of the one before it
    go on until its lease has run out.
    """
    over = 0.0
    for other in earlier_folders(root, owner):
        with contextlib.suppress(OSError, ValueError, KeyError), open(f"{other}/lease") as file:
            until = float(json.load(file)["until"])
            if until < clock() + 3600:  # else it was written before the machine was booted
                over = max(over, until + 1)
    return over


def delete_old_folders(root: str, owner: str) -> None:
    """Delete the folders of earlier lives that nobody has come back to for a week."""
    for other in earlier_folders(root, owner):
        with contextlib.suppress(OSError):
            if time.time() - os.stat(f"{other}/lease").st_mtime > KEEP_SECONDS:
                shutil.rmtree(other, ignore_errors=True)


def earlier_folders(root: str, owner: str) -> list[str]:
    """The folders of the launchers on this machine that are no more, or no more of the cluster."""
    prefix = f"dispatcher-{owner}-"
    folder = os.path.dirname(root)
    alive = {node_id[:12] for node_id in alive_nodes()}
    found = []
    for name in os.listdir(folder):
        other, node = os.path.join(folder, name), name[len(prefix) :]
        is_one = name.startswith(prefix) and len(name) == len(os.path.basename(root))
        if is_one and other != root and not (node in alive and is_served(other)):
            found.append(other)
    return found


def is_served(root: str) -> bool:
    """Whether a launcher lives that has the folder."""
    try:
        with open(f"{root}/agent.lock", "rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def stored_lease_terms(root: str) -> Mapping[str, float] | None:
    """The terms of the lease that the launcher before this one was told."""
    try:
        with open(f"{root}/terms") as file:
            kept: Mapping[str, float] = json.load(file)
            return kept
    except FileNotFoundError:
        return None


def code_folder(root: str, code: bytes) -> str:
    """The folder with the unpacked code; it is written anew if a file of it is damaged.

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
    """The node agent, from the code that was sent along."""
    sys.path.insert(0, code_folder(root, code))
    from dispatcher.agent.node import AgentIsRunning, NodeAgent

    agent = NodeAgent(root, environ=environment())
    for _ in range(100):  # the launcher before this one may still be on its way out
        try:
            agent.start()
        except AgentIsRunning:
            time.sleep(0.1)
        else:
            return agent
    raise RuntimeError(f"another launcher has {root}")


def environment() -> dict[str, str]:
    """What jobs inherit: the environment that the node was started with, without Ray's own.

    Ray gives its actors the cluster's token, a thread count of one and a preloaded allocator; a
    script is better off without.
    """
    try:
        with open(f"/proc/{os.getppid()}/environ", "rb") as file:
            pairs = os.fsdecode(file.read()).split("\0")
        found = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
    except OSError:
        found = dict(os.environ)
        found.pop("OMP_NUM_THREADS", None)
    if "/ray/core/" in found.get("LD_PRELOAD", ""):
        del found["LD_PRELOAD"]
    return {name: value for name, value in found.items() if not name.startswith("RAY_")}


def free_ports(count: int) -> int:
    """The first of so many ports in a row that are free now."""
    while True:
        with contextlib.ExitStack() as held, contextlib.suppress(OSError, OverflowError):
            first = 0
            for k in range(max(1, count)):
                one = held.enter_context(socket.socket())
                one.bind(("", first + k if first else 0))
                first = first or int(one.getsockname()[1])
            return first
