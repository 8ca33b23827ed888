"""One pool container: a node agent that starts scripts by fork, and its folder.

    <state>/warm/<container's name>/      the agent's root, mounted as /dispatcher-root
                                          (the name on disk of version 0.1)

A container is never started twice. After its end the folder tells all that is known of its jobs,
and a job that the agent had not claimed there has not started and never will.

The process that answers on the agent's socket is not trusted, because jobs of the container may
replace it: only a socket in that folder is connected to, answers are bounded in length and time,
and their content is checked.
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

from dispatcher.core.runs.jobs import Evidence, Observation, State
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
AT_ONCE = 1000  # jobs in one call
_EVIDENCE: TypeAdapter[Evidence | None] = TypeAdapter(Evidence | None)
_STARTED: TypeAdapter[float | None] = TypeAdapter(float | None)
NO_SERVICE = {"service": None}  # telemetry is shipped from outside the container


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
    """A pool container, running or not. `key` determines which jobs it accepts."""

    def __init__(self, name: str, folder: Path, engine: DockerEngine) -> None:
        self.name, self.folder = name, folder
        self.key = name.rsplit("-", 2)[1]
        self.used_at = time.monotonic()
        self.silent_since: float | None = None
        self._engine = engine
        self._dead: Mapping[str, Any] | None = None  # the inspection of the ended container
        self._agent = _ContainerAgentConnection(folder, self._no_agent, NO_SERVICE)

    def start(self, container: Mapping[str, Any], host: Mapping[str, Any]) -> None:
        """Create and start the container, and return once its agent answers.

        Raises APIError, TargetUnavailable.
        """
        with self._engine.calls(judged=True) as api:
            api.create_container(host_config=api.create_host_config(**host), **container)
            api.start(self.name)
        deadline = time.monotonic() + START_SECONDS
        while not self._listens():
            if self.ended() is not None or time.monotonic() > deadline:
                raise TargetUnavailable(
                    f"pool container {self.name} has no agent: {self.log_tail()}"
                )

    def watch(self, report: Callable[["PoolContainer", Mapping[str, Observation]], None]) -> None:
        """Report the agent's observations."""
        on_event: Report = lambda seen: report(self, seen)  # noqa: E731
        self._agent.watch(on_event)

    def ask(self, op: str, **fields: Any) -> Mapping[str, Any]:
        """Call the agent. Raises TargetUnavailable."""
        self.used_at = time.monotonic()
        return self._agent.ask(op, **fields)

    def observe(self, names: Collection[str]) -> Mapping[str, Observation]:
        """The observations of jobs that were given to the container, also after its end."""
        requested, observations = list(names), dict[str, Observation]()
        try:
            if self._dead is None:
                for first in range(0, len(requested), AT_ONCE):
                    observations |= self._agent.observe(requested[first : first + AT_ONCE])
                self.silent_since = None
                return {
                    name: observations.get(name, Observation(State.UNKNOWN)) for name in requested
                }
        except (TargetUnavailable, ValueError, LookupError, TypeError):
            if self.ended() is None:
                self.silent_since = self.silent_since or time.monotonic()
                return dict.fromkeys(requested, Observation(State.UNKNOWN))
        return {name: self._left(name) for name in requested}

    def answers(self) -> bool:
        """Whether its agent accepts jobs."""
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
        """The inspection of the ended container; None if it runs. Raises TargetUnavailable."""
        if self._dead is None:
            container = self._engine.inspect(self.name)
            if container is None or STATES[container["State"]["Status"]] is not State.ALIVE:
                self._dead = container or {}
        return self._dead

    def is_there(self, job: str) -> bool:
        """Whether the job has a folder."""
        return is_below(self.folder, "jobs", job)

    def jobs(self) -> list[str]:
        """The names of the job folders; processes of the container may have created some."""
        return names_below(self.folder, "jobs")

    def delete(self, job: str) -> None:
        """Delete a job's folder of an ended container."""
        delete_below(self.folder, "jobs", job)

    def kill(self) -> None:
        """End the container with all its processes."""
        self._engine.discard(self.name)

    def log_tail(self) -> str:
        """The last output of the agent."""
        try:
            with self._engine.calls() as api:
                text: bytes = api.logs(self.name, tail=20)
                return text.decode(errors="replace")[-2048:].strip()
        except APIError as error:
            return "" if error.status_code == HTTPStatus.NOT_FOUND else str(error)

    def close(self) -> None:
        """Close the connection."""
        self._agent.close()

    def _listens(self) -> bool:
        try:
            socket_below(self.folder, "agent.sock").close()
        except OSError:
            threading.Event().wait(0.01)
            return False
        return True

    def _no_agent(self) -> None:
        raise TargetUnavailable(f"the agent of pool container {self.name} does not answer")

    def _left(self, job: str) -> Observation:
        """The observation of a job by the folder of the ended container."""
        record = exit_record(self.folder, "jobs", job)
        if record is not None:
            return Observation(State.EXITED, record.started_at, record)
        if not is_below(self.folder, "claims", job):
            return Observation(State.ABSENT)
        return evidence.ended_with_container(self._dead or {}, time.time())


def make_folder(folder: Path, owner: tuple[int, int]) -> None:
    """Create the folder of a new container, with the mount point in it."""
    for path in (folder, folder / "snapshots"):
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if (os.geteuid(), os.getegid()) != owner:
            os.chown(path, *owner)
