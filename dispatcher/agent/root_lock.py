"""An agent's hold on its root: the lock that one living agent has, and the agent's id."""

from __future__ import annotations

import fcntl
import os
import uuid

from dispatcher.agent.folders import Root, read_json, write_json


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
    return descriptor


def identity_of(root: Root) -> str:
    """The agent's id; it is generated once and stored in the root."""
    path = f"{root.path}/agent.json"
    identity = read_json(path)
    if identity is None:
        identity = {"agent_id": uuid.uuid4().hex}
        write_json(path, identity)
    return str(identity["agent_id"])
