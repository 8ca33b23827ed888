"""Jobs as containers of one Docker engine. One container an attempt; its name is the job's name.

Nothing is remembered here that the engine and the target's folder do not know: a service that is
killed at any line and started again sees the same jobs in the same states. The engine's name for a
container is the claim while it exists, the folder's claim (`docker_boxes.py`) from the start on and
after it is gone.

A container that carries another service's label, or none, is never adopted, stopped or removed.
"""

import logging
import math
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from docker.errors import APIError

from dispatcher.core.jobs import ABSENT, Job, Observation, State
from dispatcher.core.scheduling import Capacity, Node
from targets import docker_evidence
from targets.base import Report, TargetError, TargetUnavailable
from targets.config import DockerConfig
from targets.docker_boxes import Boxes, Claim
from targets.docker_engine import SECONDS, Engine
from targets.docker_launch import Launcher
from targets.docker_profile import SERVICE_LABEL, Ground
from targets.docker_runtime import unpack
from targets.docker_shelf import Shelf
from targets.docker_watch import Watch
from targets.place import Site

# Measured on two cores: 6 starts a second by one thread, 9 by two, 10 by four.
WORKERS = 4
# The shim keeps the grace period itself. This is what it gets on top, to hand over the telemetry
# and write down how the job ended, before its container is killed.
LAST_WORDS = 10.0

log = logging.getLogger(__name__)


class DockerTarget:
    """The target. Every verb may be called from any thread, and again after any crash."""

    def __init__(
        self,
        config: DockerConfig,
        site: Site,
        token: str,
        *,
        runtime: Path | None = None,
        seconds: float = SECONDS,
    ) -> None:
        """`token` is an agent's; `runtime` what its containers run, our own agent by default."""
        state = site.root / config.name
        runtime = runtime or unpack(state / "runtime")
        ground = Ground(site.service_id, state, runtime, site.service_socket)
        self._config = config
        self._engine = Engine(config.docker_host, seconds)
        self._boxes = Boxes(state)
        self._label = f"{SERVICE_LABEL}={site.service_id}"
        service = {"socket": str(site.service_socket), "url": site.service_url, "token": token}
        self._shelf = Shelf(state / "snapshots", service)
        self._launcher = Launcher(config, ground, self._engine, self._boxes, self._shelf)
        self._lock = threading.Lock()
        self._deadlines: dict[str, float] = {}  # when a job being stopped is killed, by name
        self._ended: dict[str, Observation] = {}  # by container id: an end does not change
        self._watch: Watch | None = None

    def capacity(self) -> Capacity:
        """All of the engine's machine, or what the configuration says is ours of it."""
        info, config = self._engine.info(), self._config
        cpus = config.cpus or float(info["NCPU"])
        memory_mb = config.memory_mb or int(info["MemTotal"]) >> 20
        return Capacity((Node(config.name, cpus, config.gpus, memory_mb),))

    def launch(self, jobs: Sequence[Job]) -> Mapping[str, TargetError]:
        """Start each job unless one of that name was ever started; answer what went wrong."""
        answers = self._all(self._launcher.launch, jobs)
        return {job.name: error for job, error in zip(jobs, answers, strict=True) if error}

    def poll(self, names: Collection[str]) -> Mapping[str, Observation]:
        """What is to be seen of each named job. Raises TargetUnavailable."""
        found = self._engine.containers(self._label) if names else {}
        return {name: self._seen(name, found.get(name)) for name in names}

    def stop(self, names: Collection[str], grace: float) -> None:
        """SIGTERM now, SIGKILL after `grace` seconds; what has not started is withdrawn."""
        found = self._engine.containers(self._label)
        wait = grace + LAST_WORDS
        asked = list(names)
        news = self._all(lambda name: self._stop(name, found.get(name), grace), asked)
        due = [name for name, is_new in zip(asked, news, strict=True) if is_new]
        if due:
            timer = threading.Timer(wait, self._kill, [due])
            timer.daemon = True
            timer.start()

    def remove(self, names: Collection[str]) -> None:
        """Forget ended jobs; one that lives, or is not there, is left as it is."""
        found = self._engine.containers(self._label)
        self._all(lambda name: self._remove(name, found.get(name)), list(names))

    def watch(self, report: Report) -> None:
        """Report what has changed, from the engine's event stream."""
        self._watch = Watch(self._engine, self._label, lambda name: report(self._news(name)))

    def close(self) -> None:
        """Let go of connections. Jobs go on."""
        if self._watch is not None:
            self._watch.close()
        self._shelf.close()
        self._engine.close()

    # Looking

    def _seen(self, name: str, summary: Mapping[str, Any] | None) -> Observation:
        if self._launcher.is_busy_with(name):
            return Observation(State.CREATED)
        if summary is not None and summary["Id"] in self._ended:
            return self._ended[summary["Id"]]
        container = None
        if summary is not None:
            container = self._engine.inspect(summary["Id"])
        elif self._boxes.claimed(name) is None:
            return ABSENT
        elif self._boxes.is_there(name):
            # Claims are made after containers: one that is there now was merely not listed yet.
            container = self._engine.inspect(name)
        if container is None or not self._launcher.is_ours(container):
            return self._gone(name)
        return self._observed(name, container)

    def _observed(self, name: str, container: Mapping[str, Any]) -> Observation:
        record = self._boxes.exit_record(name)
        ended = docker_evidence.STATES[container["State"]["Status"]] is State.EXITED
        tail = self._words(container["Id"]) if ended and record is None else ""
        stopped = self._boxes.claimed(name) is Claim.STOPPED
        seen = docker_evidence.observe(container, record, stopped=stopped, tail=tail)
        if ended:
            self._ended[container["Id"]] = seen
        return seen

    def _gone(self, name: str) -> Observation:
        launched = self._boxes.claimed(name) in (Claim.LAUNCHED, Claim.STOPPED)
        if launched and self._boxes.is_there(name):
            return docker_evidence.gone(self._boxes.exit_record(name), time.time())
        return Observation(State.REMOVED)

    def _words(self, container_id: str) -> str:
        with self._engine.calls() as api, suppress(APIError):
            text: bytes = api.logs(container_id, tail=20)
            return text.decode(errors="replace")[-2048:]
        return ""

    def _news(self, name: str | None) -> Mapping[str, Observation]:
        with suppress(TargetUnavailable):
            container = self._engine.inspect(name) if name else None
            if name and container is not None and self._launcher.is_ours(container):
                return {name: self._seen(name, {"Id": container["Id"]})}
        return {}

    # Ending

    def _stop(self, name: str, summary: Mapping[str, Any] | None, grace: float) -> bool:
        """End one job, or withdraw it. Answers whether it has to be killed sooner than known."""
        state = docker_evidence.STATES[summary["State"]] if summary else None
        if state is None and self._boxes.claimed(name) is None:
            self._boxes.withdraw(name)
        elif state is State.CREATED:
            self._boxes.withdraw(name)
            self._engine.discard(name)
            self._boxes.delete(name)
        elif state is State.ALIVE:
            return self._end(name, grace)
        return False

    def _end(self, name: str, grace: float) -> bool:
        kill_at = time.monotonic() + grace + LAST_WORDS
        with self._lock:
            sooner = kill_at < self._deadlines.get(name, math.inf)
            if sooner:
                self._deadlines[name] = kill_at
        if sooner:
            self._boxes.note_stop(name, grace)
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
            except TargetUnavailable as error:  # whoever asked for the stop will ask again
                log.warning("cannot kill %s: %s", name, error)

    def _signal(self, name: str, signal: str) -> None:
        with self._engine.calls() as api, suppress(APIError):  # ended, or gone, meanwhile
            api.kill(name, signal=signal)

    def _remove(self, name: str, summary: Mapping[str, Any] | None) -> None:
        if summary is not None:
            if docker_evidence.STATES[summary["State"]] is State.ALIVE:
                return
            self._engine.discard(name)
            self._ended.pop(summary["Id"], None)
        self._deadlines.pop(name, None)
        self._boxes.delete(name)

    def _all(self, act: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
        with ThreadPoolExecutor(max_workers=WORKERS) as pool:
            return list(pool.map(act, items))
