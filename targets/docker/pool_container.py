"""One warm container: a node agent that starts scripts by fork, and the folder it works in.

    <state>/warm/<container's name>/      the agent's root, in the container /dispatcher-root

A container is never started twice. When it has ended, what its jobs left in the folder is all that
is known of them, and a job that the agent had not claimed there has not started and never will.

What answers on the agent's socket belongs to the container, and so may be anybody: nothing is
connected to but a socket in that folder, answers are bounded in length and time, and what they say
is checked.
"""

import os
import socket
import threading
import time
from collections.abc import Callable, Collection, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

from docker.errors import APIError
from pydantic import TypeAdapter

from dispatcher.core.jobs import Evidence, Observation, State
from targets.agent_connection import AgentConnection
from targets.base import Report, TargetUnavailable
from targets.docker import evidence
from targets.docker.engine import DockerEngine
from targets.docker.evidence import STATES
from targets.docker.guarded_files import delete_below, is_below, names_below, socket_below
from targets.docker.job_directories import exit_record

START_SECONDS = 30.0
ANSWER_SECONDS = 10.0
LONGEST_LINE = 16 << 20
AT_ONCE = 1000  # jobs in one question
_EVIDENCE: TypeAdapter[Evidence | None] = TypeAdapter(Evidence | None)
_STARTED: TypeAdapter[float | None] = TypeAdapter(float | None)
NO_SERVICE = {"service": None}  # what its jobs say is shipped from outside


class _ContainerAgentConnection(AgentConnection):
    answer_seconds = ANSWER_SECONDS
    longest_line = LONGEST_LINE

    def _dial(self) -> socket.socket:
        return socket_below(self._path, "agent.sock")

    def _read(self, record: Mapping[str, Any]) -> Observation:
        started = _STARTED.validate_python(record.get("started_at"))
        ending = _EVIDENCE.validate_python(record.get("evidence"))
        return Observation(State(record["state"]), started, ending)


class PoolContainer:
    """One of them, running or not. `key` says which jobs it takes."""

    def __init__(self, name: str, folder: Path, engine: DockerEngine) -> None:
        self.name, self.folder = name, folder
        self.key = name.rsplit("-", 2)[1]
        self.used_at = time.monotonic()
        self.silent_since: float | None = None
        self._engine = engine
        self._dead: Mapping[str, Any] | None = None  # how its container ended, once it has
        self._agent = _ContainerAgentConnection(folder, self._no_agent, NO_SERVICE)

    def start(self, container: Mapping[str, Any], host: Mapping[str, Any]) -> None:
        """Create and start the container, and return once its agent answers. Raises APIError,
        TargetUnavailable.
        """
        with self._engine.calls(judged=True) as api:
            api.create_container(host_config=api.create_host_config(**host), **container)
            api.start(self.name)
        deadline = time.monotonic() + START_SECONDS
        while not self._listens():
            if self.ended() is not None or time.monotonic() > deadline:
                raise TargetUnavailable(
                    f"warm container {self.name} has no agent: {self.log_tail()}"
                )

    def watch(self, report: Callable[["PoolContainer", Mapping[str, Observation]], None]) -> None:
        """Report what the agent tells."""
        on_event: Report = lambda seen: report(self, seen)  # noqa: E731
        self._agent.watch(on_event)

    def ask(self, op: str, **fields: Any) -> Mapping[str, Any]:
        """Ask the agent. Raises TargetUnavailable."""
        self.used_at = time.monotonic()
        return self._agent.ask(op, **fields)

    def observe(self, names: Collection[str]) -> Mapping[str, Observation]:
        """What is to be seen of jobs that were given to it, dead or alive."""
        asked, seen = list(names), dict[str, Observation]()
        try:
            if self._dead is None:
                for first in range(0, len(asked), AT_ONCE):
                    seen |= self._agent.observe(asked[first : first + AT_ONCE])
                self.silent_since = None
                return {name: seen.get(name, Observation(State.UNKNOWN)) for name in asked}
        except (TargetUnavailable, ValueError, LookupError, TypeError):
            if self.ended() is None:
                self.silent_since = self.silent_since or time.monotonic()
                return dict.fromkeys(asked, Observation(State.UNKNOWN))
        return {name: self._left(name) for name in asked}

    def answers(self) -> bool:
        """Whether its agent takes jobs."""
        if self._dead is not None or self.silent_since is not None:
            return False
        if self._agent.is_connected:
            return True
        try:
            self.ask("hello")
        except TargetUnavailable:
            return False
        return True

    def ended(self) -> Mapping[str, Any] | None:
        """How its container has ended; None if it runs. Raises TargetUnavailable."""
        if self._dead is None:
            container = self._engine.inspect(self.name)
            if container is None or STATES[container["State"]["Status"]] is not State.ALIVE:
                self._dead = container or {}
        return self._dead

    def is_there(self, job: str) -> bool:
        """Whether the job has a folder."""
        return is_below(self.folder, "jobs", job)

    def jobs(self) -> list[str]:
        """The jobs that have folders, or so it seems."""
        return names_below(self.folder, "jobs")

    def delete(self, job: str) -> None:
        """Delete what an ended job has left in the folder of a dead container."""
        delete_below(self.folder, "jobs", job)

    def kill(self) -> None:
        """End it, with all that runs in it."""
        self._engine.discard(self.name)

    def log_tail(self) -> str:
        """What the agent has printed."""
        try:
            with self._engine.calls() as api:
                text: bytes = api.logs(self.name, tail=20)
                return text.decode(errors="replace")[-2048:].strip()
        except APIError as error:
            return "" if error.status_code == HTTPStatus.NOT_FOUND else str(error)

    def close(self) -> None:
        """Let go of the connection."""
        self._agent.close()

    def _listens(self) -> bool:
        try:
            socket_below(self.folder, "agent.sock").close()
        except OSError:
            threading.Event().wait(0.01)
            return False
        return True

    def _no_agent(self) -> None:
        raise TargetUnavailable(f"the agent of warm container {self.name} does not answer")

    def _left(self, job: str) -> Observation:
        """A job as the dead container's folder shows it."""
        record = exit_record(self.folder, "jobs", job)
        if record is not None:
            return Observation(State.EXITED, record.started_at, record)
        if not is_below(self.folder, "claims", job):
            return Observation(State.ABSENT)
        return evidence.dead_with(self._dead or {}, time.time())


def make_folder(folder: Path, owner: tuple[int, int]) -> None:
    """The folder of a new one, with what is mounted into it."""
    for path in (folder, folder / "snapshots"):
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if (os.geteuid(), os.getegid()) != owner:
            os.chown(path, *owner)
