"""What the Docker target's tests share: a target on a real engine, and small jobs."""

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dispatcher.core.runs.jobs import Evidence, Observation, State
from dispatcher.wire.jobs import Job
from targets.config import DockerConfig
from targets.docker.target import DockerTarget
from targets.service_address import ServiceAddress
from tests.rigs.dockerd import IMAGE, Dockerd
from tests.rigs.shim import make_runtime
from tests.rigs.waiting import until


def job(command: str | None, **options: Any) -> Job:
    """A job of a fresh name that runs a shell command."""
    run_id = f"r{secrets.token_hex(4)}"
    return Job(name=f"{run_id}-1", run_id=run_id, attempt=1, command=command, **options)


def evidence(seen: Observation) -> Evidence:
    assert seen.evidence is not None
    return seen.evidence


@dataclass
class Rig:
    """A target, and the engine below it."""

    engine: Dockerd
    config: DockerConfig
    site: ServiceAddress
    token: str
    runtime: Path | None
    seconds: float = 30

    def __post_init__(self) -> None:
        self.target = self.service()

    def service(self) -> DockerTarget:
        """The target as a service that has just started sees it: nothing in memory."""
        return DockerTarget(
            self.config, self.site, self.token, runtime=self.runtime, seconds=self.seconds
        )

    @property
    def state_folder(self) -> Path:
        return self.site.root / self.config.name

    def restart_service(self) -> None:
        """Forget the target and start it again, as a killed service would."""
        self.target.close()
        self.target = self.service()

    def run(self, one: Job) -> Observation:
        """Launch a job and see it end."""
        assert self.target.launch([one]) == {}
        return self.ended(one)

    def ended(self, one: Job, timeout: float = 30) -> Observation:
        return until(lambda: self._in(one, State.EXITED), f"{one.name} has ended", timeout)

    def alive(self, one: Job) -> Observation:
        return until(lambda: self._in(one, State.ALIVE), f"{one.name} lives")

    def stop(self, *jobs: Job) -> None:
        """End jobs at once and see that they have."""
        self.target.stop([one.name for one in jobs], grace=0)
        for one in jobs:
            self.ended(one)

    def state(self, one: Job) -> State:
        return self.target.poll([one.name])[one.name].state

    def said(self, one: Job) -> str:
        """What the job has printed so far."""
        path = self.state_folder / "jobs" / one.name / "out"
        return path.read_text() if path.exists() else ""

    def host_config(self, one: Job) -> dict[str, Any]:
        found: dict[str, Any] = self.engine.client.api.inspect_container(one.name)["HostConfig"]
        return found

    def _in(self, one: Job, state: State) -> Observation | None:
        seen = self.target.poll([one.name])[one.name]
        return seen if seen.state is state else None


def make_rig(
    engine: Dockerd,
    folder: Path,
    *,
    token: str = "",
    seconds: float = 30,
    real_agent: bool = False,
    **options: Any,
) -> Rig:
    """A target of its own service on the engine, with its files below the folder.

    Its containers run the stand-in of `tests/rigs/shim.py`, or the real agent.
    """
    sockets = folder / "sockets"
    sockets.mkdir()
    sockets.chmod(0o711)
    site = ServiceAddress(
        service_id=secrets.token_hex(4),
        root=folder / "targets",
        socket_dir=sockets,
        service_socket=sockets / "s",
        service_url="",
    )
    defaults = {"name": "docker", "docker_host": engine.url, "image": IMAGE, "network": "none"}
    config = DockerConfig.model_validate({**defaults, **options})
    runtime = None if real_agent else make_runtime(folder / "runtime")
    return Rig(engine, config, site, token, runtime, seconds)
