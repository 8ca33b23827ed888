"""The Ray target on a cluster that others use as well: each run is in Ray's own books."""

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dispatcher.core.runs.jobs import State
from dispatcher.wire.jobs import Job
from targets.base import TargetUnavailable
from tests.integration.ray_jobs import Rig, gang, job, living, make_rig
from tests.rigs.raycluster import RayCluster
from tests.rigs.waiting import until

FREE = "print({k: v for k, v in ray.available_resources().items() if k in ('CPU', 'GPU')})"
ALL = {"CPU": 8.0, "GPU": 8.0}


@pytest.fixture(scope="module")
def rig(ray_cluster: RayCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    folder = tmp_path_factory.mktemp("ray")
    with make_rig(ray_cluster, folder, allocation="per-run") as rig:
        rig.nodes(2)
        yield rig


def free(rig: Rig) -> dict[str, float]:
    shown: dict[str, float] = eval(rig.cluster.drive(FREE))
    return shown


def test_a_run_holds_what_it_uses_and_gives_it_back_when_it_ends(rig: Rig) -> None:
    until(lambda: free(rig) == ALL, "nothing is held")
    one = job("exec sleep 60", rig.nodes(2)[0], cpus=2, gpus=("0", "1", "2"))

    rig.launch(one)
    rig.alive(one)

    assert free(rig) == {"CPU": 6.0, "GPU": 5.0}
    rig.stop(one)
    until(lambda: free(rig) == ALL, "all is given back", timeout=10)


def test_devices_are_those_that_ray_gives_and_no_two_runs_share_one(rig: Rig) -> None:
    node = rig.nodes(2)[0]
    jobs = [job("echo $CUDA_VISIBLE_DEVICES; exec sleep 60", node, gpus=("0",)) for _ in range(4)]

    rig.launch(*jobs)
    for one in jobs:
        until(lambda one=one: rig.said(one), f"{one.name} says what it has")

    assert sorted(rig.said(one) for one in jobs) == ["0\n", "1\n", "2\n", "3\n"]
    rig.stop(*jobs)


def test_a_run_waits_for_what_others_hold(rig: Rig) -> None:
    node = rig.nodes(2)[0]
    first, second = (job("exec sleep 60", node, gpus=("0", "1", "2")) for _ in range(2))
    rig.launch(first)

    begun = time.monotonic()
    refused = rig.target.launch([second])

    assert isinstance(refused[second.name], TargetUnavailable)
    assert time.monotonic() - begun < 10
    assert rig.state(second) is State.ABSENT
    rig.stop(first)
    rig.launch(second)
    rig.alive(second)
    rig.stop(second)


def test_a_gang_is_reserved_whole(rig: Rig) -> None:
    nodes = rig.nodes(2)
    held = job("exec sleep 60", nodes[1], gpus=("0",))
    parts = gang("exec sleep 60", [node.name for node in nodes])
    parts = [_with_gpus(part, ("0", "1", "2", "3")) for part in parts]
    rig.launch(held)

    refused = rig.target.launch(parts)

    assert set(refused) == {part.name for part in parts}
    assert {rig.state(part) for part in parts} == {State.ABSENT}
    rig.stop(held)
    rig.launch(*parts)
    for part in parts:
        rig.alive(part)
    rig.stop(*parts)


def _with_gpus(part: Job, gpus: tuple[str, ...]) -> Job:
    ranks = tuple(replace(r, gpus=gpus[k::2]) for k, r in enumerate(part.ranks))
    return replace(part, gpus=gpus, ranks=ranks)


def test_what_a_run_held_is_given_back_though_it_ended_without_a_bridge(rig: Rig) -> None:
    one = job("sleep 1; exit 0", rig.nodes(2)[0], gpus=("0",))
    rig.launch(one)
    rig.alive(one)
    assert rig.target.bridge_pid is not None

    os.kill(rig.target.bridge_pid, signal.SIGKILL)

    assert rig.ended(one).ok if rig.nodes(2) else False
    until(lambda: free(rig) == ALL, "all is given back", timeout=15)


def test_a_withdrawn_run_leaves_no_reservation(rig: Rig, tmp_path: Path) -> None:
    node = rig.nodes(2)[0]
    first, second = (job("exec sleep 60", node, gpus=("0", "1", "2")) for _ in range(2))
    rig.launch(first)
    assert rig.target.launch([second])

    rig.target.stop([second.name], grace=0)
    rig.stop(first)

    until(lambda: free(rig) == ALL, "nothing is held", timeout=15)
    assert rig.state(second) is State.REMOVED


def test_launchers_that_nobody_needs_give_the_devices_back(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("targets.ray.target.IDLE_SECONDS", 0.5)
    until(lambda: free(rig) == ALL, "nothing is held")
    with make_rig(rig.cluster, tmp_path, lease_seconds=10) as exclusive:
        one = job("sleep 4", exclusive.nodes(2)[0])
        exclusive.launch(one)
        exclusive.alive(one)

        exclusive.target.close()

        assert free(rig) == {"CPU": 8.0}
        until(lambda: free(rig) == ALL, "the devices are given back", 40)
        assert living(one) == []
