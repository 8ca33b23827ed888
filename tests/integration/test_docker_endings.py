"""How jobs in containers end: whatever happens, the evidence says whose fault it was."""

import signal
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from dispatcher.core.runs.jobs import State
from dispatcher.core.runs.verdicts import judge
from dispatcher.wire.jobs import Job
from targets.base import LaunchRefused
from tests.integration.docker_jobs import Rig, evidence, job, make_rig
from tests.rigs.dockerd import Dockerd


@pytest.fixture
def rig(dockerd: Dockerd, tmp_path: Path) -> Iterator[Rig]:
    rig = make_rig(dockerd, tmp_path)
    yield rig
    rig.target.close()


# How a job may end: command, options, and what its evidence must say.
ENDINGS: Mapping[str, tuple[Job, dict[str, object], str]] = {
    "well": (job("exit 0"), {"exit_code": 0, "reason": "exited"}, "ok"),
    "badly": (job("exit 9"), {"exit_code": 9, "reason": "exited"}, "user"),
    "by its own signal": (job("kill -SEGV $$"), {"signal": signal.SIGSEGV}, "user"),
    "without its command": (job("no-such-program"), {"exit_code": 127}, "user"),
    "its supervisor killed": (
        job("kill -9 $PPID"),
        {"reason": "target restarted or container killed", "signal": 9},
        "infra",
    ),
    "by a SIGTERM that the service did not send": (
        job("kill -TERM 1; sleep 9"),
        {"reason": "target restarted or container killed"},
        "infra",
    ),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_job_that_ends(ending: str, rig: Rig) -> None:
    one, expected, blame = ENDINGS[ending]

    seen = evidence(rig.run(one))

    assert {name: getattr(seen, name) for name in expected} == expected
    assert judge(seen).cls == blame


EATER = "python3 -c 'b = []\nwhile True: b.append(bytearray(1 << 23))'"


def test_a_job_over_its_memory_is_said_to_be_out_of_memory(rig: Rig) -> None:
    seen = evidence(rig.run(job(EATER, memory_mb=64)))

    assert seen.oom
    assert judge(seen).cls == "resource"


def test_a_job_that_got_over_a_kill_for_memory_has_ended_well(rig: Rig) -> None:
    seen = evidence(rig.run(job(f"{EATER}; exit 0", memory_mb=64)))

    assert judge(seen).cls == "ok"


def test_an_image_without_python_is_named_in_the_reason(rig: Rig) -> None:
    bare = rig.engine.client.api.import_image_from_data(
        b"\0" * 1024, repository="test/bare", tag="1"
    )
    assert bare

    seen = evidence(rig.run(job("exit 0", image="test/bare:1")))

    assert seen.reason.startswith("cannot start: ")
    assert "python3" in seen.reason


def test_a_missing_image_is_refused_with_the_way_to_get_it(rig: Rig) -> None:
    one = job("exit 0", image="no/such:image")

    refused = rig.target.launch([one])[one.name]

    assert isinstance(refused, LaunchRefused)
    assert "docker pull no/such:image" in str(refused)
    assert rig.state(one) is State.REMOVED


def test_a_container_removed_by_hand_is_a_loss(rig: Rig) -> None:
    one = job("sleep 60")
    rig.target.launch([one])
    rig.engine.client.containers.get(one.name).remove(force=True)

    assert judge(evidence(rig.ended(one))).cls == "infra"
    rig.target.remove([one.name])
    assert rig.state(one) is State.REMOVED


def test_a_job_cannot_lead_the_service_out_of_its_box(rig: Rig) -> None:
    one = job("ln -s /etc/passwd exit.json; kill -9 $PPID")
    two = job("mkfifo exit.json 2>/dev/null || ln -s /proc/1/mem exit.json; kill -9 $PPID")

    for each in (one, two):
        assert evidence(rig.run(each)).reason == "target restarted or container killed"
