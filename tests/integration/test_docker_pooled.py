"""Pooled containers: scripts start in them by fork, once each, whatever is killed meanwhile."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from docker.models.containers import Container

from dispatcher.core.runs.jobs import State
from dispatcher.core.runs.verdicts import judge
from dispatcher.wire.jobs import Job
from targets.docker import pooled
from targets.docker.container_spec import POOL_LABEL, SOCKET_VARIABLE
from targets.docker.engine import DockerEngine
from targets.testing import TargetContract
from tests.integration.docker_jobs import Rig, evidence, job, make_rig
from tests.integration.docker_service import TOKEN, StubService, serving
from tests.rigs.dockerd import Dockerd
from tests.rigs.waiting import until

WAIT = "import time; print('ready', flush=True); time.sleep(60)"
HOME = "/dispatcher-root"


@pytest.fixture
def rig(dockerd: Dockerd, tmp_path: Path) -> Iterator[Rig]:
    rig = make_rig(dockerd, tmp_path, token=TOKEN, real_agent=True, warm=True)
    yield rig
    rig.target.close()
    discard(rig)


@pytest.fixture
def service(rig: Rig) -> Iterator[StubService]:
    with serving(rig.site.service_socket) as stub:
        yield stub


def script(service: StubService, text: str, **options: Any) -> Job:
    return job(None, script="main.py", snapshot=service.add_snapshot(main=text), **options)


def containers(rig: Rig) -> list[Container]:
    """The warm containers of the target, running or not."""
    label = f"dispatcher.service={rig.site.service_id}"
    found = rig.engine.client.containers.list(
        all=True, ignore_removed=True, filters={"label": [label, POOL_LABEL]}
    )
    return list(found)


def discard(rig: Rig) -> None:
    """Remove all of them, also those that are being removed."""
    for container in containers(rig):
        DockerEngine(rig.engine.url).discard(container.id)


def ready(rig: Rig, service: StubService, one: Job) -> None:
    rig.target.launch([one])
    until(lambda: b"ready" in said(rig, one), f"{one.name} is ready")


def said(rig: Rig, one: Job) -> bytes:
    """What the job has printed so far, as its container's folder has it."""
    rig.target.poll([one.name])
    logs = rig.state_folder.glob(f"warm/*/jobs/{one.name}/std_log.txt")
    return b"".join(log.read_bytes() for log in logs)


class TestContract(TargetContract):
    """What every target keeps."""

    @pytest.fixture
    def target(self, rig: Rig) -> Any:
        return rig.target

    @pytest.fixture
    def make_job(self, service: StubService) -> Any:
        snapshot = service.add_snapshot(main=WAIT)
        return lambda name: Job(
            name=name, run_id=name[:-2], attempt=1, script="main.py", snapshot=snapshot
        )


def test_scripts_share_one_container_and_are_told_apart(rig: Rig, service: StubService) -> None:
    text = "import os, sys; print(os.environ['WHO'], os.getuid()); sys.exit(int(sys.argv[1]))"
    jobs = [
        script(service, text, arguments=(str(code),), env={"WHO": f"number {code}"})
        for code in range(5)
    ]

    assert rig.target.launch(jobs) == {}
    ends = [evidence(rig.ended(one)) for one in jobs]

    assert [end.exit_code for end in ends] == list(range(5))
    assert [end.tail for end in ends] == [f"number {code} 65534\n" for code in range(5)]
    assert [service.said(one.run_id) for one in jobs] == [end.tail.encode() for end in ends]
    assert len(containers(rig)) == 1
    rig.target.remove([one.name for one in jobs])
    assert {rig.state(one) for one in jobs} == {State.REMOVED}


@pytest.mark.parametrize(
    "options",
    [{"memory_mb": 64}, {"shm_mb": 64}, {"docker_arguments": ("--shm-size=64m",)},
     {"start": "fresh"}, {"interpreter": "/usr/local/bin/python3"}],
    ids=lambda options: next(iter(options)),
)  # fmt: skip
def test_what_asks_for_something_of_its_own_gets_a_container_of_its_own(
    rig: Rig, service: StubService, options: dict[str, Any]
) -> None:
    one = script(service, "print('hello')", **options)

    assert evidence(rig.run(one)).ok

    assert not containers(rig)
    assert rig.engine.client.containers.get(one.name)


def test_other_modules_to_preload_are_another_container(rig: Rig, service: StubService) -> None:
    text = "import sys; print('decimal' in sys.modules)"
    plain, loaded = script(service, text), script(service, text, preload=("decimal",))

    assert evidence(rig.run(plain)).tail == "False\n"
    assert evidence(rig.run(loaded)).tail == "True\n"
    assert len(containers(rig)) == 2


def test_a_warm_container_is_as_hardened_as_any_other(rig: Rig, service: StubService) -> None:
    one = script(service, WAIT, env={SOCKET_VARIABLE: "/on/the/host", "SECRET": "canary"})
    ready(rig, service, one)

    [container] = containers(rig)
    host = container.attrs["HostConfig"]
    assert (host["Init"], host["CapDrop"]) == (True, ["ALL"])
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert (host["PidsLimit"], host["NetworkMode"]) == (4096, "none")
    assert [m["Target"] for m in host["Mounts"] if not m.get("ReadOnly")] == [HOME]
    assert container.attrs["Config"]["User"] == "65534:65534"
    assert "canary" not in str(container.attrs)
    rig.stop(one)


def test_no_agents_token_is_in_a_warm_container(rig: Rig, service: StubService) -> None:
    look = f"import subprocess; subprocess.run(['/bin/sh', '-c', 'cat {HOME}/*.json'])"
    one = script(service, look)

    assert TOKEN not in evidence(rig.run(one)).tail
    assert service.tokens <= {TOKEN}


def test_a_stopped_job_leaves_its_neighbour_alone(rig: Rig, service: StubService) -> None:
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + WAIT
    one, neighbour = script(service, deaf), script(service, WAIT)
    ready(rig, service, one)
    ready(rig, service, neighbour)

    rig.target.stop([one.name], grace=0.3)

    assert evidence(rig.ended(one)).reason == "stopped"
    assert rig.state(neighbour) is State.ALIVE
    rig.stop(neighbour)


def test_a_job_that_has_stopped_its_supervisor_is_ended_with_its_container(
    rig: Rig, service: StubService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pooled, "EXIT_RECORD_SECONDS", 0.2)
    one = script(service, "import os; os.kill(os.getppid(), 19)\n" + WAIT)
    ready(rig, service, one)

    rig.target.stop([one.name], grace=0.2)

    assert evidence(rig.ended(one)).reason == "stopped"
    assert not [c for c in containers(rig) if c.status == "running"]


def test_a_killed_container_is_a_loss_and_is_replaced_and_true_ends_are_kept(
    rig: Rig, service: StubService
) -> None:
    done, lost = script(service, "raise SystemExit(3)"), script(service, WAIT)
    rig.run(done)
    ready(rig, service, lost)
    containers(rig)[0].kill()

    seen = evidence(rig.ended(lost))

    assert seen.reason == "target restarted or container killed"
    assert judge(seen).cls == "infra"
    assert service.said(lost.run_id) == b"ready\n"
    assert evidence(rig.ended(done)).exit_code == 3
    assert evidence(rig.run(script(service, "print('again')"))).ok
    assert [c.status for c in containers(rig)].count("running") == 1


def test_a_container_removed_by_hand_is_a_loss(rig: Rig, service: StubService) -> None:
    one = script(service, WAIT)
    ready(rig, service, one)
    containers(rig)[0].remove(force=True)

    assert judge(evidence(rig.ended(one))).cls == "infra"
    rig.target.remove([one.name])
    assert rig.state(one) is State.REMOVED


EATER = "b = []\nwhile True: b.append(bytearray(1 << 23))"
# Whom the kernel would rather kill: a script may only make that worse for itself.
MARTYR = "open('/proc/self/oom_score_adj', 'w').write('1000')\n"


def test_a_script_out_of_memory_is_said_to_be(dockerd: Dockerd, tmp_path: Path) -> None:
    rig = make_rig(dockerd, tmp_path, token=TOKEN, real_agent=True, warm=True, memory_mb=96)
    with serving(rig.site.service_socket) as service:
        seen = evidence(rig.run(script(service, MARTYR + EATER)))

    assert judge(seen).cls == "resource", seen
    discard(rig)


def test_jobs_outlive_their_service_and_are_found_again(rig: Rig, service: StubService) -> None:
    one = script(service, WAIT)
    ready(rig, service, one)

    rig.restart_service()

    assert rig.state(one) is State.ALIVE
    assert rig.target.launch([one]) == {}
    late = script(service, "print('late')")
    assert evidence(rig.run(late)).ok
    assert len(containers(rig)) == 1
    rig.stop(one)


def test_a_warm_job_is_not_started_cold_when_the_target_is_set_otherwise(
    rig: Rig, service: StubService
) -> None:
    one = script(service, WAIT)
    ready(rig, service, one)

    rig.config = rig.config.model_copy(update={"warm": False})
    rig.restart_service()
    assert rig.target.launch([one]) == {}

    assert rig.state(one) is State.ALIVE
    assert (
        len(rig.engine.client.containers.list(ignore_removed=True, filters={"name": one.name})) == 0
    )
    rig.stop(one)


def test_an_idle_container_is_removed_with_all_that_it_left_but_not_while_a_job_waits_in_it(
    dockerd: Dockerd, tmp_path: Path
) -> None:
    rig = make_rig(dockerd, tmp_path, token=TOKEN, real_agent=True, warm=True)
    # A container's first job waits longer than that for the fork server.
    rig.config = rig.config.model_copy(update={"warm_idle_seconds": 0.02})
    rig.restart_service()
    with serving(rig.site.service_socket) as service:
        one = script(service, "print('hello')")
        rig.run(one)
        rig.target.remove([one.name])

        until(lambda: not containers(rig), "nobody needs the container any more")
        until(lambda: not [*rig.state_folder.glob("warm/*")], "nothing is left of it")
        assert rig.state(one) is State.REMOVED
    rig.target.close()


def test_a_container_that_a_service_left_idle_is_removed_by_the_next(
    rig: Rig, service: StubService
) -> None:
    one = script(service, "print('hello')")
    rig.run(one)
    rig.target.remove([one.name])
    assert containers(rig)

    rig.restart_service()

    until(lambda: not containers(rig), "it is gone")
    assert rig.state(one) is State.REMOVED
    assert rig.target.launch([one]) == {}
    assert rig.state(one) is State.REMOVED


def test_a_missing_image_is_refused_with_the_way_to_get_it(rig: Rig, service: StubService) -> None:
    one = script(service, "pass", image="no/such:image")

    assert "docker pull no/such:image" in str(rig.target.launch([one])[one.name])
    assert rig.state(one) is State.REMOVED
    assert not [*rig.state_folder.glob("warm/*")]


def test_a_job_cannot_send_the_service_to_another_socket(rig: Rig, service: StubService) -> None:
    swap = f"""
import os
os.rename('{HOME}/agent.sock', '{HOME}/old.sock')
os.symlink('/dispatcher-service/s', '{HOME}/agent.sock')
"""
    rig.run(script(service, swap))
    before = len(service.asked)

    rig.restart_service()
    one = script(service, "print('hello')")
    assert evidence(rig.run(one)).ok

    paths = service.asked[before:]
    assert all(path.startswith("/api/v1/snapshots/") for path in paths), paths
