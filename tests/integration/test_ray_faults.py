"""The Ray target while nodes and the head die, hang and come back: no end is told that is none."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from dispatcher.core.runs.jobs import State
from dispatcher.core.runs.verdicts import judge
from dispatcher.wire.jobs import Job
from targets.base import TargetUnavailable
from tests.integration.ray_jobs import Rig, job, living, make_rig
from tests.rigs import processes
from tests.rigs.raycluster import Node, RayCluster
from tests.rigs.waiting import until

LEASE = 15.0
SHORT_LEASE = 6.0


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    cluster = RayCluster(nodes=1, gpus=1)
    yield cluster
    cluster.stop()


@pytest.fixture
def rig(cluster: RayCluster, tmp_path: Path) -> Iterator[Rig]:
    with make_rig(cluster, tmp_path) as rig:
        rig.nodes()
        yield rig


@pytest.fixture
def short(cluster: RayCluster, tmp_path: Path) -> Iterator[Rig]:
    with make_rig(cluster, tmp_path, lease_seconds=SHORT_LEASE) as rig:
        rig.nodes()
        yield rig


def test_a_job_of_a_killed_node_is_unknown_until_it_is_surely_over(rig: Rig) -> None:
    machine, name = add_node(rig)
    one, other = job("exec sleep 600", name), job("exec sleep 60", rig.nodes()[0])
    rig.launch(one, other)
    rig.alive(one)

    machine.kill()
    killed = time.monotonic()

    states = history(rig, one, until_seconds=25)
    took = time.monotonic() - killed
    assert states in ([State.UNKNOWN, State.EXITED], [State.ALIVE, State.UNKNOWN, State.EXITED])
    assert took < 20
    assert judge(rig.ended(one)).cls == "infra"
    assert rig.state(other) is State.ALIVE
    rig.target.remove([one.name])
    assert rig.state(one) in (State.ABSENT, State.REMOVED)
    late = job("exec sleep 60", name)
    rig.launch(late)
    assert judge(rig.ended(late)).cls == "infra"
    rig.stop(other)


def test_a_job_outlives_no_node_of_which_only_ray_has_died(short: Rig) -> None:
    machine, name = add_node(short)
    one = job("trap '' TERM; (setsid sleep 600 &) ; sleep 600", name)
    short.launch(one)
    short.alive(one)

    kill_ray_alone(machine)

    assert living(one)
    successor, _ = add_node(short)  # with the same devices, if it is the machine started again
    assert living(one) == []
    while short.state(one) is not State.EXITED:
        time.sleep(0.05)
    assert living(one) == []
    assert short.ended(one).reason.startswith("lost")
    successor.kill()
    machine.kill()


@pytest.mark.slow
def test_a_new_service_does_not_take_the_jobs_of_a_lost_node_for_never_launched(short: Rig) -> None:
    machine, name = add_node(short)
    one = job("exec sleep 600", name)
    short.launch(one)
    short.alive(one)
    short.target.close()
    kill_ray_alone(machine)
    until(lambda: machine.address not in short.cluster.alive(), "it is declared dead", 15)

    short.target = short.new_target()

    short.nodes()
    states = history(short, one, until_seconds=20, end=State.ABSENT)
    assert states == [State.UNKNOWN, State.ABSENT]
    assert living(one) == []
    short.launch(one)
    assert short.ended(one).reason.startswith("lost")
    machine.kill()


def test_a_hung_node_is_not_dead_and_goes_on(rig: Rig) -> None:
    machine, name = add_node(rig)
    one = job("exec sleep 60", name)
    rig.launch(one)
    before = rig.alive(one)

    machine.hang()
    began = time.monotonic()
    until(lambda: rig.state(one) is State.UNKNOWN, "it is unknown")
    assert time.monotonic() - began < LEASE / 2
    machine.resume()

    until(lambda: rig.target.poll([one.name])[one.name] == before, "it is seen again", timeout=10)
    rig.stop(one)
    machine.kill()


@pytest.mark.slow
def test_a_node_that_hung_for_too_long_comes_back_without_its_jobs(short: Rig) -> None:
    machine, name = add_node(short)
    one = job("exec sleep 600", name)
    short.launch(one)
    short.alive(one)

    machine.hang()

    assert history(short, one, until_seconds=20)[-2:] == [State.UNKNOWN, State.EXITED]
    machine.resume()
    until(lambda: not living(one), "the job has ended itself", timeout=5)
    assert short.ended(one).reason.startswith("lost")
    machine.kill()


def test_a_service_that_is_away_for_longer_than_the_lease_kills_nothing(short: Rig) -> None:
    one = job("exec sleep 60", short.nodes()[0])
    short.launch(one)
    before = short.alive(one)

    short.target.close()
    time.sleep(2.5 * SHORT_LEASE)  # the passing of time is what is tested here
    short.target = short.new_target()

    short.nodes()
    assert short.target.poll([one.name])[one.name] == before
    short.stop(one)


def test_a_head_that_is_gone_is_said_so_in_time_and_its_successor_is_used(short: Rig) -> None:
    (node,) = short.nodes()
    one = job("exec sleep 600", node)
    short.launch(one)
    short.alive(one)

    short.cluster.kill_head()

    began = time.monotonic()
    until(lambda: is_away(short), "the target is unavailable", timeout=10)
    assert time.monotonic() - began < 10
    short.cluster.restart_head()
    short.cluster.add(gpus=1)
    until(lambda: not is_away(short), "the new cluster is used", timeout=60)
    assert short.ended(one, timeout=60).reason.startswith("lost")
    assert living(one) == []
    (new,) = [found for found in short.nodes() if found.name != node.name]
    assert short.run(job("exit 4", new)).exit_code == 4


def add_node(rig: Rig) -> tuple[Node, str]:
    """One more machine, and the name of its node."""
    before = {node.name for node in rig.nodes()}
    machine = rig.cluster.add(gpus=1)
    nodes = until(lambda: {n.name for n in rig.nodes()} - before, "the new node takes jobs")
    return machine, nodes.pop()


def history(rig: Rig, one: Job, until_seconds: float, end: State = State.EXITED) -> list[State]:
    """The states that the job is seen in, one after the other, up to that end."""
    states = [rig.state(one)]
    deadline = time.monotonic() + until_seconds
    while states[-1] is not end:
        assert time.monotonic() < deadline, states
        time.sleep(0.05)
        seen = rig.state(one)
        if seen is not states[-1]:
            states.append(seen)
    return states


def kill_ray_alone(machine: Node) -> None:
    """End Ray's own processes of the node at once, and leave the jobs to themselves."""
    shims = {p.pid for p in processes.processes() if b"dispatcher.agent" in _line(p.pid)}
    ours = {pid for pid in machine.processes if not _is_job(pid)} - shims
    for pid in ours:
        with suppress(ProcessLookupError):  # Ray's agents come and go
            os.kill(pid, signal.SIGKILL)


def _line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _is_job(pid: int) -> bool:
    try:
        return b"DISPATCHER_JOB=" in Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return True


def is_away(rig: Rig) -> bool:
    try:
        rig.target.capacity()
    except TargetUnavailable:
        return True
    return False
