"""Pooled containers and a service killed at any step: no script is started twice, none is lost."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import docker
import pytest

from dispatcher.core.runs.jobs import State
from dispatcher.wire.jobs import Job
from targets.docker.claims import Claims
from targets.docker.pool_container import PoolContainer
from tests.integration.docker_jobs import Rig, evidence, job, make_rig
from tests.integration.docker_service import TOKEN, StubService, serving
from tests.integration.test_docker_crash_points import Fuse, Killed
from tests.integration.test_docker_pooled import containers, discard
from tests.rigs.dockerd import Dockerd

STEPS = [
    (docker.APIClient, "create_container"),
    (docker.APIClient, "start"),
    (Claims, "take"),
    (Claims, "put"),
    (Claims, "withdraw"),
    (PoolContainer, "ask"),
    (PoolContainer, "start"),
]
# All warm containers of a target keep their effects apart: they are counted over all of them.
NOTE = "open('/dispatcher-root/starts', 'a').write('started\\n')\n"


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


def script(service: StubService, text: str) -> Job:
    return job(None, script="main.py", snapshot=service.add_snapshot(main=NOTE + text))


def starts(rig: Rig) -> int:
    return sum(path.read_text().count("started") for path in rig.state_folder.glob("warm/*/starts"))


def cut_off(rig: Rig, moment: int, act: Callable[[], object]) -> None:
    """Do something with a fuse that is this long, then start the service anew."""
    fuse = Fuse(moment)
    with pytest.MonkeyPatch.context() as patch:
        for owner, name in STEPS:
            patch.setattr(owner, name, fuse.wrap(getattr(owner, name)))
        with suppress(Killed):
            act()
    rig.restart_service()


@pytest.mark.parametrize("moment", range(1, 11))
def test_a_launch_that_was_cut_off_is_finished_by_the_next(
    rig: Rig, service: StubService, moment: int
) -> None:
    one = script(service, "raise SystemExit(6)")
    cut_off(rig, moment, lambda: rig.target.launch([one]))

    assert evidence(rig.run(one)).exit_code == 6

    assert starts(rig) == 1


@pytest.mark.parametrize("moment", range(7, 11))
def test_a_launch_that_was_cut_off_before_its_container_died_starts_once_or_is_lost_with_it(
    rig: Rig, service: StubService, moment: int
) -> None:
    one = script(service, "raise SystemExit(6)")
    cut_off(rig, moment, lambda: rig.target.launch([one]))
    for container in containers(rig):
        container.kill()

    rig.target.launch([one])
    seen = evidence(rig.ended(one))

    assert starts(rig) <= 1
    if seen.exit_code != 6:
        assert seen.reason == "target restarted or container killed"


@pytest.mark.parametrize("moment", range(1, 11))
def test_a_stop_after_a_launch_that_was_cut_off_lets_nothing_start(
    rig: Rig, service: StubService, moment: int
) -> None:
    one = script(service, "import time; time.sleep(60)")
    cut_off(rig, moment, lambda: rig.target.launch([one]))

    rig.target.stop([one.name], grace=0)
    rig.target.launch([one])

    if rig.state(one) is not State.REMOVED:
        assert moment == 10  # its container had heard of it
        assert evidence(rig.ended(one)).reason == "stopped"
    else:
        assert starts(rig) == 0


def test_a_job_that_never_started_in_a_dead_container_starts_in_another(
    rig: Rig, service: StubService
) -> None:
    one, other = script(service, "raise SystemExit(6)"), script(service, "pass")
    rig.run(other)
    entry = rig.target._claims.get(other.name)
    assert entry is not None
    rig.target._claims.take(one.name, entry)  # and here the service was killed
    [container] = containers(rig)
    container.kill()
    rig.restart_service()

    assert rig.state(one) is State.ABSENT
    assert evidence(rig.run(one)).exit_code == 6
    assert evidence(rig.ended(other)).ok


@pytest.mark.parametrize("how", ["crash", "restart"])
def test_an_engine_that_leaves_its_containers_alone_harms_no_warm_job(
    rig: Rig, service: StubService, how: str
) -> None:
    one = script(service, "import time; time.sleep(3); raise SystemExit(5)")
    rig.target.launch([one])
    rig.alive(one)

    if how == "crash":
        rig.engine.crash()
        assert rig.state(one) is State.ALIVE  # its agent answers without the engine
        rig.engine.start()
    else:
        rig.engine.restart()

    assert evidence(rig.ended(one)).exit_code == 5
