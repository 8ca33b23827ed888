"""Jobs of one machine never hold the same GPU at once, whatever service and target they are of."""

import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from dispatcher.agent.starting.device_locks import DeviceLocks
from dispatcher.core.runs.jobs import Observation, State
from dispatcher.wire.jobs import Job
from targets.base import Target, TargetUnavailable
from targets.config import LocalConfig
from targets.device_locks import lock_files
from targets.local import LocalTarget
from targets.service_address import ServiceAddress
from tests.integration.docker_jobs import make_rig
from tests.rigs import processes
from tests.rigs.dockerd import Dockerd
from tests.rigs.processes import marked, running
from tests.rigs.waiting import until

Make = Callable[[str], LocalTarget]


@pytest.fixture
def make_local(tmp_path: Path) -> Iterator[Make]:
    """Makes local targets, each of a service of its own."""
    made: list[LocalTarget] = []

    def make(name: str) -> LocalTarget:
        root = tmp_path / name
        root.mkdir(mode=0o700)
        site = ServiceAddress(name, root / "nodes", root, root / "nobody", "http://127.0.0.1:9")
        made.append(LocalTarget(LocalConfig(name="here", cpus=4), site, "token"))
        return made[-1]

    yield make
    for target in made:
        with suppress(TargetUnavailable):  # its folder was deleted, so its agent has ended
            target.stop(target.jobs(), grace=0)
            until(lambda target=target: ended(target), "all jobs have ended")  # type: ignore[misc]
        target.close()
    for agent in running("dispatcher.agent serve", str(tmp_path)):
        with suppress(ProcessLookupError):
            os.kill(agent.pid, signal.SIGTERM)


def ended(target: Target) -> bool:
    return all(seen.state is State.EXITED for seen in target.jobs().values())


def job(name: str, *gpus: str, command: str = "exec sleep 60") -> Job:
    return Job(f"{name}-1", name, 1, command=command, gpus=gpus)


def seen(target: Target, one: Job) -> Observation:
    return target.poll([one.name])[one.name]


def alive(target: Target, one: Job) -> None:
    until(lambda: seen(target, one).state is State.ALIVE, f"{one.name} has started")


def held_up(target: Target, one: Job, tmp_path: Path) -> None:
    """The job's shim is there, and has not started the job."""
    lock = tmp_path / "second" / "nodes" / "here" / "jobs" / one.name / "lock"
    until(lambda: lock.exists() and "waits" in lock.read_text(), f"{one.name} waits")
    assert seen(target, one).state is State.CREATED


def test_a_job_starts_when_the_job_of_another_service_leaves_its_gpu(
    make_local: Make, tmp_path: Path
) -> None:
    first, second = make_local("first"), make_local("second")
    one, other, free = job("one", "0"), job("other", "0", "1"), job("free", "2")
    first.launch([one])
    alive(first, one)

    second.launch([other, free])

    alive(second, free)
    held_up(second, other, tmp_path)
    first.stop([one.name], grace=0)
    alive(second, other)


def test_a_job_that_waits_for_its_gpu_can_be_stopped_and_never_starts(
    make_local: Make, tmp_path: Path
) -> None:
    first, second = make_local("first"), make_local("second")
    one = job("one", "0")
    other = job("other", "0", command=f"touch {tmp_path}/started")
    first.launch([one])
    alive(first, one)
    second.launch([other])
    held_up(second, other, tmp_path)

    second.stop([other.name], grace=0)

    until(lambda: seen(second, other).state is State.EXITED, "it has ended")
    first.stop([one.name], grace=0)
    until(lambda: ended(first), "the first has ended")
    assert not (tmp_path / "started").exists()


def test_a_job_that_waits_for_its_gpu_ends_when_its_folder_is_deleted(
    make_local: Make, tmp_path: Path
) -> None:
    first, second = make_local("first"), make_local("second")
    one, other = job("one", "0"), job("other", "0")
    first.launch([one])
    alive(first, one)
    second.launch([other])
    held_up(second, other, tmp_path)
    folder = tmp_path / "second" / "nodes" / "here"
    shim = json.loads((folder / "jobs" / other.name / "lock").read_text())["shim"]

    shutil.rmtree(folder)

    until(lambda: not processes.alive(shim), "its shim has ended")


def test_the_gpu_of_a_killed_shim_is_free_once_its_job_is_gone(
    make_local: Make, tmp_path: Path
) -> None:
    first, second = make_local("first"), make_local("second")
    one, other = job("one", "0"), job("other", "0")
    first.launch([one])
    alive(first, one)
    second.launch([other])

    (process,) = marked(f"DISPATCHER_JOB_DIR={tmp_path}/first/nodes/here/jobs/{one.name}")
    os.kill(process.parent, signal.SIGKILL)

    alive(second, other)


def is_held() -> bool:
    lock = DeviceLocks(lock_files(["0"]))
    taken = lock.take()
    lock.release()
    return not taken


@pytest.mark.parametrize("order", ["docker first", "local first"])
def test_containers_and_processes_of_one_machine_share_its_gpus(
    order: str, make_local: Make, dockerd_gpu: Dockerd, tmp_path: Path
) -> None:
    rig = make_rig(dockerd_gpu, tmp_path, gpus="0", real_agent=True)
    local = make_local("second")
    one, other = job("r0000one", "0"), job("r00other", "0")
    first, second = (rig.target, local) if order == "docker first" else (local, rig.target)
    try:
        first.launch([one])
        alive(first, one)
        if first is rig.target:  # its container lives before its shim has the GPU
            until(is_held, "its shim has the GPU")
        refused = second.launch([other])
        if second is rig.target:
            assert isinstance(refused[other.name], TargetUnavailable)
            assert "another job of this machine holds one of the GPUs 0" in str(refused[other.name])
        else:
            held_up(second, other, tmp_path)
        first.stop([one.name], grace=0)
        until(lambda: seen(first, one).state is State.EXITED, "the first has ended")
        second.launch([other])
        alive(second, other)
    finally:
        rig.stop(*(each for each in (one, other) if rig.state(each) is State.ALIVE))
        rig.target.close()
