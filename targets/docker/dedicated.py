"""Jobs in dedicated containers: one container for each attempt, named as the job.

While the container exists, the engine's unique name is the claim; from the start on, and after the
container is removed, the target's own claim is (`claims.py`). A container without this service's
label is never adopted, stopped or removed.
"""

import logging
import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from docker.errors import APIError

from dispatcher.core.runs.jobs import ABSENT, Observation, State
from targets.base import TargetUnavailable
from targets.docker import evidence
from targets.docker.claims import ClaimRecord, Claims, ClaimState
from targets.docker.engine import DockerEngine
from targets.docker.engine_events import ContainerEvent
from targets.docker.job_directories import JobDirectories
from targets.docker.launcher import ContainerLauncher
from targets.docker.spools import ContainerSpools

# Seconds that the shim gets after the grace to write the exit record, before its container is
# killed. The shim enforces the grace itself.
EXIT_RECORD_SECONDS = 10.0
_LIVE = (ClaimState.LAUNCHED, ClaimState.STOPPED)

log = logging.getLogger(__name__)


class DedicatedContainers:
    """The dedicated containers of a target. Any thread may call."""

    def __init__(
        self,
        engine: DockerEngine,
        directories: JobDirectories,
        claims: Claims,
        launcher: ContainerLauncher,
        spools: ContainerSpools,
    ) -> None:
        self._engine, self._directories, self._claims = engine, directories, claims
        self._launcher, self._spools = launcher, spools
        self._lock = threading.Lock()
        self._deadlines: dict[str, float] = {}  # job name → when its container is killed
        self._ended: dict[str, Observation] = {}  # final observations

    # Looking

    def observe(self, name: str, summary: Mapping[str, Any] | None) -> Observation:
        """The observation of a job; `summary` is the engine's list entry of its name."""
        if self._launcher.is_busy_with(name):
            return Observation(State.CREATED)
        entry = self._claims.get(name)
        return self._published(name, self._observe(name, summary, entry), entry)

    def has_ended(self, name: str) -> bool:
        """Whether the job's end is known, so that the engine need not be called."""
        return name in self._ended

    def on_event(self, event: ContainerEvent) -> Mapping[str, Observation]:
        """The observation after an event. The engine is called only if the end is not ordinary."""
        name, entry = event.name, self._claims.get(event.name)
        if entry is None or entry.claim not in _LIVE or not self._directories.is_there(name):
            return {}  # the event of a removal by this target
        if event.action == "start" and name not in self._ended:
            return {name: Observation(State.ALIVE, event.at)}
        record = self._directories.exit_record(name) if event.exit_code == 0 else None
        if record is not None and record.ok:
            self._ended[name] = Observation(State.EXITED, record.started_at, record)
        container = None if name in self._ended else self._engine.inspect(name)
        if container is not None and not self._launcher.is_ours(container):
            return {}
        return {name: self.observe(name, container and {"Id": container["Id"]})}

    def _published(
        self, name: str, observation: Observation, entry: ClaimRecord | None
    ) -> Observation:
        """Hide an end until the job's telemetry was shipped."""
        if entry is not None and observation.state is State.ALIVE:
            self._spools.follow(name, entry)
        if (
            entry is None
            or observation.state is not State.EXITED
            or self._spools.ended(name, entry)
        ):
            return observation
        return Observation(State.ALIVE, observation.started_at)

    def _observe(
        self, name: str, summary: Mapping[str, Any] | None, entry: ClaimRecord | None
    ) -> Observation:
        if name in self._ended:
            return self._ended[name]
        container = None
        if summary is not None:
            container = self._engine.inspect(summary["Id"])
        elif entry is None:
            return ABSENT
        elif self._directories.is_there(name):
            # Claims are created after containers: this container may be newer than the list.
            container = self._engine.inspect(name)
        if container is None or not self._launcher.is_ours(container):
            return self._without_container(name, entry)
        return self._of_container(name, container, entry)

    def _of_container(
        self, name: str, container: Mapping[str, Any], entry: ClaimRecord | None
    ) -> Observation:
        record = self._directories.exit_record(name)
        ended = evidence.STATES[container["State"]["Status"]] is State.EXITED
        tail = self._log_tail(container["Id"]) if ended and record is None else ""
        stopped = entry is not None and entry.claim is ClaimState.STOPPED
        observation = evidence.observe(container, record, stopped=stopped, tail=tail)
        if ended:
            self._ended[name] = observation
        return observation

    def _without_container(self, name: str, entry: ClaimRecord | None) -> Observation:
        if entry is not None and entry.claim in _LIVE and self._directories.is_there(name):
            return evidence.removed_outside(self._directories.exit_record(name), time.time())
        return evidence.removed(entry, time.time())

    def _log_tail(self, container_id: str) -> str:
        with self._engine.calls() as api, suppress(APIError):
            text: bytes = api.logs(container_id, tail=20)
            return text.decode(errors="replace")[-2048:]
        return ""

    # Ending

    def stop(self, name: str, summary: Mapping[str, Any] | None, grace: float) -> bool:
        """End a job whose name is claimed, or keep it from starting.

        Args:
            name: The job.
            summary: The engine's list entry with the name; a launch may have progressed since.
            grace: Seconds between SIGTERM and SIGKILL.

        Returns:
            Whether the job has to be killed sooner than was known.
        """
        record = self._claims.get(name)
        if record is None or record.claim not in _LIVE:
            if summary is not None:
                self._discard(name)
            return False
        state = evidence.STATES[summary["State"]] if summary else self._state_of(name)
        if state is State.CREATED:
            self._claims.withdraw(name)
            self._discard(name)
        elif state is State.ALIVE:
            return self._end(name, grace)
        return False

    def _state_of(self, name: str) -> State | None:
        """The state of a container that may be newer than the engine's list."""
        container = self._engine.inspect(name) if self._directories.is_there(name) else None
        if container is None or not self._launcher.is_ours(container):
            return None
        return evidence.STATES[container["State"]["Status"]]

    def _discard(self, name: str) -> None:
        """Remove the container of a withdrawn job, in any state."""
        self._engine.discard(name)
        if not self._launcher.is_busy_with(name):
            self._directories.delete(name)

    def kill_later(self, names: Sequence[str], grace: float) -> None:
        """Kill the containers of these jobs after their grace."""
        if names:
            later(grace + EXIT_RECORD_SECONDS, lambda: self._kill(names))

    def _end(self, name: str, grace: float) -> bool:
        kill_at = time.monotonic() + grace + EXIT_RECORD_SECONDS
        with self._lock:
            sooner = kill_at < self._deadlines.get(name, math.inf)
            if sooner:
                self._deadlines[name] = kill_at
        if sooner:
            entry = self._claims.get(name) or ClaimRecord()
            if entry.claim is not ClaimState.STOPPED:
                self._claims.put(name, replace(entry, claim=ClaimState.STOPPED))
            self._directories.note_stop(name, grace)
            self._signal(name, "SIGTERM")
        return sooner

    def _kill(self, names: Sequence[str]) -> None:
        with self._lock:
            now = time.monotonic()
            due = [n for n in names if self._deadlines.get(n, math.inf) <= now]
            for name in due:
                del self._deadlines[name]
        for name in due:
            try:
                self._signal(name, "SIGKILL")
            except TargetUnavailable as error:  # the engine of the service repeats the stop
                log.warning("cannot kill %s: %s", name, error)

    def _signal(self, name: str, signal: str) -> None:
        with (
            self._engine.calls() as api,
            suppress(APIError),
        ):  # the container has ended or is removed
            api.kill(name, signal=signal)

    # Forgetting

    def remove(self, name: str, summary: Mapping[str, Any] | None) -> None:
        """Remove the container and the folders of an ended job, once its telemetry is shipped."""
        if summary is not None and evidence.STATES[summary["State"]] is State.ALIVE:
            return
        entry = self._claims.get(name)
        if entry is not None and entry.claim in _LIVE:
            # First, so that the event of the removal does not count as a loss.
            self._claims.put(name, replace(entry, claim=ClaimState.REMOVED), durable=False)
            self._spools.ended(name, entry)  # also if the job was never polled
        if summary is not None or name in self._ended:
            self._engine.discard(name)
        self._ended.pop(name, None)
        self._deadlines.pop(name, None)
        if not self._spools.has_pending(name):
            self._directories.delete(name)
            self._spools.forget(name)

    def complete(self, name: str) -> None:
        """All telemetry of a job is with the service: delete its folders if it was removed."""
        if self._claims.claim(name) is ClaimState.REMOVED:
            self._directories.delete(name)
            self._spools.forget(name)

    def sweep(self) -> None:
        """Continue with jobs that a killed service had removed, but not shipped."""
        for name in self._directories.names():
            entry = self._claims.get(name)
            if entry is not None and entry.claim is ClaimState.REMOVED:
                self._spools.ended(name, entry)


def later(seconds: float, act: Callable[[], None]) -> None:
    """Call a function after some seconds, unless this process has ended."""
    timer = threading.Timer(seconds, act)
    timer.daemon = True
    timer.start()
