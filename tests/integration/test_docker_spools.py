"""Nothing that a job has said is lost, however its container ends, and nothing else is read."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dispatcher.core.runs.jobs import State
from dispatcher.wire.jobs import Job
from tests.integration.docker_jobs import Rig, evidence, job, make_rig
from tests.integration.docker_service import TOKEN, StubService, serving
from tests.rigs.dockerd import Dockerd
from tests.rigs.waiting import until

# Says more than is shipped at once, then that it is ready, and goes on for ever.
TALKER = """
i=0; while [ $i -lt 2000 ]; do echo "line $i"; i=$((i+1)); done
echo '{"n": "loss", "k": "scalar", "v": 1}' >> ../metrics
touch ../ready; exec sleep 60
"""
SAID = "".join(f"line {k}\n" for k in range(2000)).encode()


@pytest.fixture
def rig(dockerd: Dockerd, tmp_path: Path) -> Iterator[Rig]:
    rig = make_rig(dockerd, tmp_path, token=TOKEN, real_agent=True)
    yield rig
    rig.target.close()


@pytest.fixture
def service(rig: Rig) -> Iterator[StubService]:
    with serving(rig.site.service_socket) as stub:
        yield stub


def talk(rig: Rig) -> Job:
    one = job(TALKER)
    rig.target.launch([one])
    until((rig.state_folder / "jobs" / one.name / "ready").exists, "it has said it all")
    return one


@pytest.mark.parametrize("how", ["kill", "remove"])
def test_what_was_said_before_a_container_was_killed_arrives_before_its_end_is_told(
    rig: Rig, service: StubService, how: str
) -> None:
    one = talk(rig)
    container = rig.engine.client.containers.get(one.name)
    if how == "kill":
        container.kill()
    else:
        container.remove(force=True)

    rig.ended(one)

    assert service.said(one.run_id) == SAID
    assert b"loss" in service.said(one.run_id, "metrics")


def test_a_service_that_starts_again_ships_what_is_missing_and_nothing_twice(
    rig: Rig, service: StubService
) -> None:
    one = talk(rig)
    until(lambda: service.said(one.run_id), "some of it has come")
    rig.target.close()
    rig.engine.client.containers.get(one.name).kill()

    rig.target = rig.service()
    rig.ended(one)

    assert service.said(one.run_id) == SAID


def test_a_service_that_is_away_delays_an_end_by_five_seconds_and_gets_it_all_later(
    rig: Rig, service: StubService
) -> None:
    service.is_away = True
    one = talk(rig)
    rig.engine.client.containers.get(one.name).kill()
    began = time.monotonic()

    rig.ended(one)
    assert 4 < time.monotonic() - began < 12
    rig.target.remove([one.name])
    assert rig.state(one) is State.REMOVED
    assert service.said(one.run_id) == b""
    service.is_away = False

    until(lambda: service.said(one.run_id) == SAID, "all of it has come")
    folder = rig.state_folder / "jobs" / one.name
    until(lambda: not folder.exists(), "nothing of it is left")


def test_what_was_removed_before_it_was_shipped_is_shipped_by_the_next_service(
    rig: Rig, service: StubService
) -> None:
    service.is_away = True
    one = talk(rig)
    rig.engine.client.containers.get(one.name).kill()
    rig.ended(one)
    rig.target.remove([one.name])
    rig.target.close()
    service.is_away = False

    rig.target = rig.service()

    until(lambda: service.said(one.run_id) == SAID, "all of it has come")
    folder = rig.state_folder / "jobs" / one.name
    until(lambda: not folder.exists(), "nothing of it is left")


LIARS = {
    "a link to a file": "rm -f {log}; ln -s /etc/passwd {log}",
    "a link to a folder": "rm -rf logs; ln -s /etc logs",
    "a pipe": "rm -f {log}; mkfifo {log} || mknod {log} p",
    "a folder": "rm -f {log}; mkdir {log}",
}


@pytest.mark.parametrize("lie", LIARS)
def test_a_job_cannot_make_the_service_read_something_else(
    rig: Rig, service: StubService, lie: str
) -> None:
    one = job(LIARS[lie].format(log="../std_log.txt"))

    evidence(rig.run(one))

    assert b"root" not in b"".join(service.streams.values())
