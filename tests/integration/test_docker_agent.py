"""The real agent inside containers: scripts of a snapshot, run as nobody, with the right end."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from dispatcher.core.runs.jobs import State
from dispatcher.core.runs.verdicts import judge
from targets.base import LaunchRefused
from tests.integration.docker_jobs import Rig, evidence, job, make_rig
from tests.integration.docker_service import TOKEN, StubService, serving
from tests.rigs.dockerd import Dockerd
from tests.rigs.waiting import until

SCRIPT = "import os, sys\nprint('hello', *sys.argv[1:], os.getuid())\nopen('written', 'w')\n"


@pytest.fixture
def rig(dockerd: Dockerd, tmp_path: Path) -> Iterator[Rig]:
    rig = make_rig(dockerd, tmp_path, token=TOKEN, real_agent=True)
    yield rig
    rig.target.close()


@pytest.fixture
def service(rig: Rig) -> Iterator[StubService]:
    with serving(rig.site.service_socket) as stub:
        yield stub


@pytest.fixture
def snapshot(service: StubService) -> str:
    return service.add_snapshot(train=SCRIPT)


def test_a_script_of_a_snapshot_runs_as_nobody_and_can_write_beside_it(
    rig: Rig, snapshot: str
) -> None:
    one = job(None, script="train.py", arguments=("a b", "$c"), snapshot=snapshot)

    seen = evidence(rig.run(one))

    assert seen.tail == "hello a b $c 65534\n"
    assert judge(seen).cls == "ok"


def test_what_a_job_says_has_arrived_when_its_end_is_seen(rig: Rig, service: StubService) -> None:
    says = """echo hello; echo '{"n": "loss", "k": "scalar", "v": 1}' >> ../metrics"""

    one = job(says)
    assert evidence(rig.run(one)).ok

    assert service.said(one.run_id) == b"hello\n"
    assert json.loads(service.said(one.run_id, "metrics"))["n"] == "loss"
    assert service.tokens == {TOKEN}


def test_no_token_but_the_runs_own_is_in_a_container(rig: Rig, service: StubService) -> None:
    look = "grep -r token /dispatcher-root /dispatcher-service /proc/*/environ"

    seen = evidence(rig.run(job(f"{look}; echo done")))

    assert "done" in seen.tail

    assert "agents-token" not in seen.tail


def test_a_snapshot_is_fetched_once_for_all_runs(
    rig: Rig, service: StubService, snapshot: str
) -> None:
    jobs = [job(None, script="train.py", snapshot=snapshot) for _ in range(3)]

    assert rig.target.launch(jobs) == {}
    for one in jobs:
        assert evidence(rig.ended(one)).ok

    path = f"/api/v1/snapshots/{snapshot}"
    assert service.asked == [path, f"{path}/archive"]


def test_a_snapshot_that_is_not_there_is_refused(rig: Rig, service: StubService) -> None:
    one = job(None, script="train.py", snapshot="0" * 64)

    refused = rig.target.launch([one])[one.name]

    assert isinstance(refused, LaunchRefused)
    assert "no such snapshot" in str(refused)
    assert rig.state(one) is State.REMOVED


def test_a_missing_script_is_a_user_error(rig: Rig, snapshot: str) -> None:
    seen = evidence(rig.run(job(None, script="other.py", snapshot=snapshot)))

    assert judge(seen).cls == "user"


def test_an_exit_code_is_kept(rig: Rig, service: StubService) -> None:
    assert evidence(rig.run(job("exit 9"))).exit_code == 9


def test_a_time_limit_ends_the_job(rig: Rig, service: StubService) -> None:
    seen = evidence(rig.run(job("sleep 60", time_limit=0.3, grace=1)))

    assert judge(seen).cls == "policy"


@pytest.mark.parametrize("trap", ["exit 5", ""])
def test_a_stopped_job_gets_the_grace_of_the_stop(
    rig: Rig, service: StubService, trap: str
) -> None:
    one = job(f"trap '{trap}' TERM; touch ../set; while :; do sleep 0.05; done", grace=60)
    rig.target.launch([one])
    until((rig.state_folder / "jobs" / one.name / "set").exists, "the job has set its trap")

    rig.target.stop([one.name], grace=0.5)

    seen = evidence(rig.ended(one, timeout=8))
    assert seen.reason == "stopped"
    assert seen.receipt


def test_a_job_out_of_memory_is_said_to_be(rig: Rig, service: StubService) -> None:
    eater = "python3 -c 'b = []\nwhile True: b.append(bytearray(1 << 23))'"

    seen = evidence(rig.run(job(eater, memory_mb=64)))

    assert judge(seen).cls == "resource"


def test_what_a_job_leaves_running_ends_with_it(rig: Rig, service: StubService) -> None:
    one = job("(setsid sleep 300 &) ; exit 0")

    assert evidence(rig.run(one)).ok
    container = rig.engine.client.containers.get(one.name)
    assert container.status == "exited"
