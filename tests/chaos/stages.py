"""Services to play scenarios on: local processes or containers, SQLite or PostgreSQL."""

import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from targets.docker.container_spec import SERVICE
from tests.chaos.effects import Effects
from tests.chaos.injection import NAMED
from tests.chaos.nursery import NursedService
from tests.chaos.scenario import Scenario, Stage
from tests.rigs import processes
from tests.rigs.dockerd import IMAGE, Dockerd
from tests.rigs.service import Service
from tests.rigs.waiting import until

ROOM = 16
GONE = 15.0  # seconds in which what a run has left must be gone


@dataclass(frozen=True)
class Kind:
    """What a service of a sweep is made of."""

    name: str
    database_url: str = ""
    engine: Dockerd | None = None
    warm: bool = False  # scripts start in containers that stay
    patches: Path = NAMED
    environment: Mapping[str, str] | None = None


@contextmanager
def stage(kind: Kind, folder: Path) -> Iterator[Stage]:
    """A service of that kind that runs, its targets attached and the scripts uploaded."""
    make = NursedService if kind.patches == NAMED else Service
    service = make(folder, kind.database_url, kind.patches, kind.environment)
    try:
        service.start()
        yield _furnished(service, kind, folder)
    finally:
        service.close()


def _furnished(service: Service, kind: Kind, folder: Path) -> Stage:
    effects = Effects(folder / "effects")
    sources = folder / "sources"
    sources.mkdir()
    if kind.engine is None:
        service.attach("local", kind="local", cpus=ROOM)
        service.attach("cpu", kind="local", cpus=1)
        path = str(effects.path)
        end = partial(_end_agents, service)
        made = Stage(service, effects, sources, "local", "cpu", path, folder, str(folder), end)
    else:
        docker: dict[str, Any] = {"kind": "docker", "docker_host": kind.engine.url}
        docker |= {"image": IMAGE, "warm": kind.warm}
        service.attach("wide", **docker, network="none", cpus=ROOM)
        service.attach("narrow", **docker, network="none", cpus=1)
        meeting = service.socket_folder
        effects.pipe(meeting / "effects")
        place = f"{SERVICE}/effects"
        end = partial(_end_containers, kind.engine, service)
        made = Stage(service, effects, sources, "wide", "narrow", place, meeting, SERVICE, end)
    _warm_up(made)
    return made


def _warm_up(made: Stage) -> None:
    """All threads and agents are there before anything is traced."""
    both = [{"id": f"warm-{name}-{made.service.folder.name}", "command": "true", "target": name}
            for name in (made.wide, made.narrow)]  # fmt: skip
    made.service.submit(*both)
    until(
        lambda: set(made.service.wait([run["id"] for run in both], 5).values()) == {"Completed"},
        f"the targets work; the service's log ends:\n{made.service.log()[-3000:]}",
        60,
    )


def _end_agents(service: Service) -> None:
    for target in ("local", "cpu"):
        for agent in service.agents(target):
            os.kill(agent.pid, signal.SIGKILL)
    until(lambda: not service.agents("local") + service.agents("cpu"), "no agent is there")


def _end_containers(engine: Dockerd, service: Service) -> None:
    """The warm ones; none of the others is alive."""
    for folder in service.data.glob("nodes/*/warm/*"):
        for container in engine.client.containers.list(
            all=True, ignore_removed=True, filters={"name": folder.name}
        ):
            container.remove(force=True)


def leaks(kind: Kind, scenario: Scenario) -> Iterator[tuple[str, str]]:
    """What the scenario's runs have left behind, after some time for it to go."""
    with suppress(AssertionError):
        until(lambda: not list(_left(kind, scenario)), "nothing is left", GONE, 0.1)
    for thing in _left(kind, scenario):
        yield "leak", thing


def _left(kind: Kind, scenario: Scenario) -> Iterator[str]:
    data = scenario.stage.service.data
    for process in processes.marked(*(f"AZUREML_RUN_ID={run_id}" for run_id in scenario.seen)):
        yield f"process {process.pid} {process.command}"
    for run_id in scenario.seen:
        for place in ("jobs", "boxes"):
            yield from map(str, data.glob(f"nodes/*/{place}/{run_id}-*"))
        if kind.engine is not None:
            for container in kind.engine.client.containers.list(
                all=True, ignore_removed=True, filters={"name": run_id}
            ):
                yield f"container {container.name}"
    for group in scenario.stage.service.groups():
        yield from map(str, group.glob(f"{scenario.name}-*"))
