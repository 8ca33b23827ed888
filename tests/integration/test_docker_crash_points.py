"""A service killed at any step of a launch: whoever comes next starts the job exactly once."""

import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import docker
import pytest

from dispatcher.core.runs.jobs import State
from dispatcher.wire.jobs import Job
from targets.docker.claims import Claims
from targets.docker.job_directories import JobDirectories
from tests.integration.docker_jobs import Rig, evidence, job, make_rig
from tests.rigs.dockerd import Dockerd

# Everything that a launch or a stop changes outside of the process. It can be cut off before and
# after each.
STEPS = [
    (JobDirectories, "fill"),
    (docker.APIClient, "create_container"),
    (Claims, "take"),
    (docker.APIClient, "start"),
    (docker.APIClient, "remove_container"),
    (Claims, "withdraw"),
    (JobDirectories, "delete"),
]


class Killed(BaseException):
    """The process ends here; nothing of it may clean up."""


class Fuse:
    """Burns down by one at each moment before and after a step, and kills at zero.

    Steps of other threads do not count: they come when they like.
    """

    def __init__(self, moments: int) -> None:
        self.left = moments
        self._thread = threading.get_ident()

    def burn(self) -> None:
        if threading.get_ident() != self._thread:
            return
        self.left -= 1
        if self.left == 0:
            raise Killed

    def wrap(self, step: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(step)
        def fused(*args: Any, **options: Any) -> Any:
            self.burn()
            answer = step(*args, **options)
            self.burn()
            return answer

        return fused


@pytest.fixture
def rig(dockerd: Dockerd, tmp_path: Path) -> Iterator[Rig]:
    rig = make_rig(dockerd, tmp_path)
    yield rig
    rig.target.close()


def cut_off(rig: Rig, moment: int, act: Callable[[], object]) -> None:
    """Do something with a fuse that is this long, then start the service anew."""
    fuse = Fuse(moment)
    with pytest.MonkeyPatch.context() as patch:
        for owner, name in STEPS:
            patch.setattr(owner, name, fuse.wrap(getattr(owner, name)))
        with suppress(Killed):
            act()
    rig.restart_service()


def starts(rig: Rig, one: Job) -> str:
    path = rig.state_folder / "boxes" / one.name / "starts"
    return path.read_text() if path.exists() else ""


@pytest.mark.parametrize("moment", range(1, 10))
def test_a_launch_that_was_cut_off_is_finished_by_the_next(rig: Rig, moment: int) -> None:
    one = job("echo started >> ../../starts; exit 6")

    cut_off(rig, moment, lambda: rig.target.launch([one]))
    seen = rig.run(one)

    assert evidence(seen).exit_code == 6
    assert starts(rig, one) == "started\n"


@pytest.mark.parametrize("moment", range(1, 9))
def test_a_stop_after_a_launch_that_was_cut_off_lets_nothing_start(rig: Rig, moment: int) -> None:
    one = job("echo started >> ../../starts; sleep 60")
    cut_off(rig, moment, lambda: rig.target.launch([one]))

    rig.target.stop([one.name], grace=0)
    rig.target.launch([one])

    if rig.state(one) is not State.REMOVED:  # it had been started before it was cut off
        assert moment == 8
        rig.ended(one)


@pytest.mark.parametrize("moment", range(1, 7))
def test_a_withdrawal_that_was_cut_off_is_finished_by_the_next(rig: Rig, moment: int) -> None:
    one = job("exit 0")
    assert rig.target._launcher._create(one, "runtime")

    cut_off(rig, moment, lambda: rig.target.stop([one.name], grace=0))
    rig.target.stop([one.name], grace=0)

    assert rig.target.launch([one]) == {}
    assert rig.state(one) is State.REMOVED
