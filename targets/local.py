"""Jobs as processes of this machine, started by a node agent that outlives the service.

Each target has one agent process. It is found again by its socket, and started if nothing answers
there. The shims of jobs outlive agent and service.
"""

import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from dispatcher.agent.cpu_count import usable_cpus
from dispatcher.core.runs.jobs import Observation
from dispatcher.core.scheduling.plan import Capacity, Node
from dispatcher.wire.jobs import Job
from dispatcher.wire.process_identity import ProcessIdentity
from dispatcher.wire.sockets import make_private
from targets.agent_connection import AgentConnection, hello_of
from targets.base import LaunchRefused, Report, TargetError, TargetUnavailable
from targets.config import LocalConfig
from targets.device_locks import lock_files
from targets.inheritance_links import InheritanceLinks
from targets.service_address import ServiceAddress

log = logging.getLogger(__name__)
NODE = "local"
START_SECONDS = 15.0
IDLE_SECONDS = 600  # without a caller and a job an agent ends after that
UNREACHABLE_SECONDS = 3.0  # an agent that holds its root listens by then
AGENT_IS_RUNNING = 3  # the agent's exit code when another one serves the folder


class LocalTarget:
    """See `targets.base.Target`."""

    def __init__(self, config: LocalConfig, site: ServiceAddress, token: str) -> None:
        self._config = config
        self._root = site.root / config.name
        self._umask, self._job_files = site.job_umask, site.job_files
        self._inheritances = InheritanceLinks(site.inheritances, self._root / "inheritances")
        self._socket = site.socket_dir / f"{config.name}.agent"
        self._agent = AgentConnection(
            self._socket,
            self._start_agent,
            _setting(site, token),
            owner=os.geteuid(),
            root=self._root,
        )

    def capacity(self) -> Capacity:
        cpus = self._config.cpus or usable_cpus()
        node = Node(NODE, cpus, self._config.gpus, self._config.memory_mb)
        # An agent outlives an upgrade; one without an admission queue would start all jobs at once.
        return Capacity((node,), has_admission_queue=bool(self._agent.hello.get("admission_queue")))

    def launch(self, jobs: Sequence[Job]) -> Mapping[str, TargetError]:
        refused: dict[str, TargetError] = {}
        adapted = []
        for job in jobs:
            try:
                adapted.append(self._adapted(job))
            except LaunchRefused as error:
                refused[job.name] = error
        self._agent.submit(adapted)
        return refused

    def poll(self, names: Collection[str]) -> Mapping[str, Observation]:
        return self._agent.observe(names) if names else {}

    def jobs(self) -> Mapping[str, Observation]:
        return self._agent.observe(None)

    def stop(self, names: Collection[str], grace: float) -> None:
        self._agent.ask("stop", names=list(names), grace=grace)

    def remove(self, names: Collection[str]) -> None:
        self._agent.ask("remove", names=list(names))

    def watch(self, report: Report) -> None:
        self._agent.watch(report)

    def close(self) -> None:
        """End the agent: the next one has the environment of the service that starts it."""
        self._agent.end()
        self._agent.close()

    def _adapted(self, job: Job) -> Job:
        inherited = self._inheritances.python(job.inherits)
        # Environments are built from the service's interpreter, so that runs share them.
        own = "" if job.environment is not None else inherited
        python = self._config.python or own or sys.executable
        is_default = job.interpreter in ("python", "python3")
        return replace(
            job,
            interpreter=python if is_default else job.interpreter,
            device_locks=lock_files(job.gpus),
        )

    def _start_agent(self) -> None:
        """Start the agent and wait until its socket answers.

        An agent that holds the root and cannot be reached is ended first: its jobs go on, and the
        next agent finds them.
        """
        try:
            for folder in (self._root.parent, self._root):
                folder.mkdir(exist_ok=True)
            make_private(str(self._socket.parent))
        except OSError as error:
            raise TargetUnavailable(f"the node agent cannot start: {error}") from error
        process = self._spawn()
        began = time.monotonic()
        while not self._is_served():  # the socket of a killed agent is still there
            code, waited = process.poll(), time.monotonic() - began
            if code == AGENT_IS_RUNNING and waited < START_SECONDS:
                if waited > UNREACHABLE_SECONDS:
                    self._end_unreachable()
                time.sleep(0.1)
                process = self._spawn()
            elif code is not None or waited > START_SECONDS:
                raise TargetUnavailable(f"the node agent did not start; see {self._root}/agent.log")
            time.sleep(0.01)

    def _is_served(self) -> bool:
        """Whether an agent of this root answers. One of an earlier release does not name it."""
        hello = hello_of(self._socket)
        return bool(hello) and hello.get("root") in (None, str(self._root))

    def _spawn(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "dispatcher.agent", "serve"]
        command += ["--root", str(self._root), "--existing", "--socket", str(self._socket)]
        command += ["--idle-after", str(IDLE_SECONDS)]
        if self._job_files is not None:
            command += ["--job-files", str(self._job_files)]
        if self._config.python:
            command += ["--interpreter", self._config.python]
        with (self._root / "agent.log").open("ab") as log:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                umask=self._umask,
            )

    def _end_unreachable(self) -> None:
        """End the agent that holds the root, if it is certain which process that is."""
        try:
            holder = ProcessIdentity.of(json.loads((self._root / "agent.lock").read_text()))
        except (OSError, ValueError, KeyError, TypeError):
            return
        if holder.is_alive_here:
            log.warning(
                "the node agent of %s, process %d, cannot be reached; it is ended",
                self._root,
                holder.pid,
            )
            os.kill(holder.pid, signal.SIGTERM)


def _setting(site: ServiceAddress, token: str) -> dict[str, object]:
    service = {"socket": str(site.service_socket), "url": site.service_url, "token": token}
    return {"service": service, "caches": dict(site.cache_limits)}
