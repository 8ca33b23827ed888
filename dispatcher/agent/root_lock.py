"""An agent's hold on its root: the lock that one living agent has, and the agent's id."""

from __future__ import annotations

import fcntl
import json
import os
import uuid

from dispatcher.agent.folders import Root, read_json, write_json
from dispatcher.wire.file_identity import file_id
from dispatcher.wire.process_identity import ProcessIdentity


class AgentIsRunning(Exception):
    """Another agent serves this root."""


def lock_root(root: Root) -> int:
    """Lock the root for this process; returns the descriptor that holds the lock.

    Raises:
        AgentIsRunning: Another living agent has the root.
    """
    descriptor = os.open(root.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise AgentIsRunning(f"an agent already serves {root.path}") from error
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(ProcessIdentity.own().encoded()).encode(), 0)
    return descriptor


def is_lost(root: Root, descriptor: int) -> bool:
    """Whether the lock file of a root is no longer the locked one: the root was moved or deleted.

    Args:
        root: The root.
        descriptor: What `lock_root` returned.
    """
    own = os.fstat(descriptor)
    return file_id(root.lock) != (own.st_dev, own.st_ino)


def identity_of(root: Root) -> str:
    """The agent's id; it is generated once and stored in the root."""
    path = f"{root.path}/agent.json"
    identity = read_json(path)
    if identity is None:
        identity = {"agent_id": uuid.uuid4().hex}
        write_json(path, identity)
    return str(identity["agent_id"])
