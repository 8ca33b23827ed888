"""The Docker target when its engine crashes, hangs, or is not there: nothing is lost or doubled."""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from queue import Queue

import pytest

from dispatcher.core.runs.jobs import Observation, State
from dispatcher.core.runs.verdicts import judge
from targets.base import TargetUnavailable
from tests.integration.docker_jobs import Rig, evidence, job, make_rig
from tests.rigs.dockerd import IMAGE, Dockerd, host_python_image
from tests.rigs.waiting import until


@pytest.fixture
def rig(dockerd: Dockerd, tmp_path: Path) -> Iterator[Rig]:
    rig = make_rig(dockerd, tmp_path)
    yield rig
    rig.target.close()


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[Rig]:
    """A target whose engine takes its containers with it."""
    engine = Dockerd(live_restore=False)
    try:
        host_python_image(engine.client, IMAGE)
        rig = make_rig(engine, tmp_path)
        yield rig
        rig.target.close()
    finally:
        engine.stop()


def test_a_crash_of_the_engine_harms_no_job(rig: Rig, tmp_path: Path) -> None:
    box, folder = rig.state_folder / "boxes", rig.state_folder / "jobs"
    one = job("while [ ! -e ../../go ]; do sleep 0.05; done; exit 5")
    rig.target.launch([one])
    rig.alive(one)

    rig.engine.crash()
    with pytest.raises(TargetUnavailable):
        rig.target.poll([one.name])
    (box / one.name / "go").touch()
    until((folder / one.name / "exit.json").exists, "the job has ended meanwhile")
    rig.engine.start()

    assert evidence(rig.ended(one)).exit_code == 5


@pytest.mark.parametrize("how", ["crash", "restart"])
def test_an_engine_that_kills_its_containers_is_to_blame(mortal: Rig, how: str) -> None:
    trap = "''" if how == "crash" else "'exit 0'"  # an engine that ends in good order asks first
    one = job(f"trap {trap} TERM; echo ready; while :; do sleep 0.05; done")
    mortal.target.launch([one])
    until(lambda: mortal.said(one), "the job has set its trap")

    if how == "crash":
        mortal.engine.crash()
        mortal.engine.start()
    else:
        mortal.engine.restart()

    seen = evidence(mortal.ended(one))
    assert judge(seen).cls == "infra", seen


def test_a_job_outlives_its_service_and_is_found_again(rig: Rig) -> None:
    one = job("sleep 60")
    rig.target.launch([one])
    rig.alive(one)

    rig.restart_service()

    assert rig.state(one) is State.ALIVE
    assert rig.target.launch([one]) == {}
    rig.stop(one)


def test_a_hung_engine_is_unavailable_in_bounded_time(dockerd: Dockerd, tmp_path: Path) -> None:
    rig = make_rig(dockerd, tmp_path, seconds=1)
    one = job("sleep 60")
    rig.target.launch([one])
    dockerd.hang()
    began = time.monotonic()

    with pytest.raises(TargetUnavailable):
        rig.target.poll([one.name])
    with pytest.raises(TargetUnavailable):
        rig.target.capacity()
    late = job("exit 0")
    assert isinstance(rig.target.launch([late])[late.name], TargetUnavailable)

    assert time.monotonic() - began < 10
    dockerd.resume()
    assert rig.state(one) is State.ALIVE
    until(lambda: rig.target.launch([late]) == {}, "the engine has got over it")
    assert evidence(rig.ended(late)).exit_code == 0
    rig.stop(one)


def test_an_engine_that_is_not_there_is_unavailable(tmp_path: Path, dockerd: Dockerd) -> None:
    rig = make_rig(dockerd, tmp_path, docker_host=f"unix://{tmp_path}/nobody")

    with pytest.raises(TargetUnavailable, match="does not answer"):
        rig.target.capacity()
    one = job("exit 0")
    assert isinstance(rig.target.launch([one])[one.name], TargetUnavailable)


def test_a_restarted_engine_is_looked_at_anew(rig: Rig) -> None:
    reports: Queue[Mapping[str, Observation]] = Queue()
    rig.target.watch(reports.put)
    assert reports.get(timeout=10) == {}

    rig.engine.crash()
    rig.engine.start()

    assert reports.get(timeout=10) == {}
    one = job("exit 0")
    rig.target.launch([one])
    assert one.name in reports.get(timeout=10)


def test_a_job_that_nobody_waits_for_is_not_started_twice_by_two_services(rig: Rig) -> None:
    one = job("echo started >> ../../starts; sleep 60")
    other = rig.service()
    for target in (rig.target, other, rig.target, other):
        assert target.launch([one]) == {}
    starts = rig.state_folder / "boxes" / one.name / "starts"
    until(starts.exists, "the job has started")

    rig.stop(one)

    assert starts.read_text() == "started\n"
    other.close()
