"""Polls and stops are answered while the engine takes its time to start a container."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import pytest

from dispatcher.core.runs.jobs import State
from dispatcher.wire.jobs import Job
from tests.integration.docker_jobs import Rig, evidence, job, make_rig
from tests.integration.docker_service import TOKEN, serving
from tests.rigs.dockerd import Dockerd
from tests.rigs.engine_gate import EngineGate, engine_gate
from tests.rigs.waiting import until

SECONDS = 15.0  # in which an answer must come that waits for no container
WAIT = "import time; print('ready', flush=True); time.sleep(60)"
Result = TypeVar("Result")


@pytest.fixture
def gate(dockerd: Dockerd, tmp_path: Path) -> Iterator[EngineGate]:
    with engine_gate(dockerd.url, tmp_path / "e") as one:
        yield one


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as pool:
        yield pool


def in_time(threads: ThreadPoolExecutor, call: Callable[..., Result], *arguments: Any) -> Result:
    return threads.submit(call, *arguments).result(SECONDS)


def test_dedicated_containers_are_polled_and_stopped_while_others_start(
    dockerd: Dockerd, tmp_path: Path, gate: EngineGate, threads: ThreadPoolExecutor
) -> None:
    rig = make_rig(dockerd, tmp_path, docker_host=gate.url)
    running = [job("sleep 60") for _ in range(2)]
    rig.target.launch(running)
    for one in running:
        rig.alive(one)
    gate.shut()
    late = [job("sleep 60") for _ in range(6)]
    launching = threads.submit(rig.target.launch, late)
    try:
        gate.wait_until_held(4)

        assert {in_time(threads, rig.state, one) for one in running} == {State.ALIVE}
        assert in_time(threads, rig.state, late[0]) is State.CREATED
        names = [one.name for one in (*running, late[0], late[5])]
        in_time(threads, rig.target.stop, names, 0)
        for one in running:
            assert evidence(rig.ended(one)).reason == "stopped"
        assert not launching.done()
    finally:
        gate.open()
    assert launching.result(60) == {}
    for one in (late[0], late[5]):
        assert rig.target.poll([one.name])[one.name].state is State.REMOVED
    for one in late[1:5]:
        rig.alive(one)
    rig.stop(*late[1:5])
    rig.target.close()


def test_pool_containers_are_polled_and_stopped_while_another_one_starts(
    dockerd: Dockerd, tmp_path: Path, gate: EngineGate, threads: ThreadPoolExecutor
) -> None:
    options: dict[str, Any] = {"token": TOKEN, "real_agent": True, "warm": True}
    rig = make_rig(dockerd, tmp_path, docker_host=gate.url, **options)
    with serving(rig.site.service_socket) as service:

        def script(**fields: Any) -> Job:
            return job(None, script="main.py", snapshot=service.add_snapshot(main=WAIT), **fields)

        running, late = script(), script(preload=("json",))
        rig.target.launch([running])
        until(lambda: rig.state(running) is State.ALIVE, "the first job lives")
        gate.shut()
        launching = threads.submit(rig.target.launch, [late])
        try:
            gate.wait_until_held()

            assert in_time(threads, rig.state, running) is State.ALIVE
            in_time(threads, rig.target.stop, [running.name, late.name], 0)
            assert evidence(rig.ended(running)).reason == "stopped"
            assert not launching.done()
        finally:
            gate.open()
        assert launching.result(60) == {}
        assert rig.state(late) is State.REMOVED
        rig.target.remove([running.name])
        remove_containers(rig)
        rig.target.close()


def remove_containers(rig: Rig) -> None:
    label = f"dispatcher.service={rig.site.service_id}"
    for container in rig.engine.client.containers.list(all=True, filters={"label": label}):
        container.remove(force=True)
