"""Any history on a Docker target: a job never starts twice, and in the end nothing is left."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dispatcher.core.runs.jobs import State
from dispatcher.wire.jobs import Job
from tests.integration.docker_jobs import Rig, job, make_rig
from tests.rigs.dockerd import Dockerd
from tests.rigs.waiting import until

pytestmark = pytest.mark.slow

STEPS = 25


@pytest.fixture
def rig(dockerd: Dockerd, tmp_path: Path) -> Iterator[Rig]:
    rig = make_rig(dockerd, tmp_path)
    yield rig
    rig.target.close()


class World:
    """Three jobs, what may happen to them, and a file in which each notes that it was started."""

    def __init__(self, rig: Rig, luck: random.Random) -> None:
        self.rig = rig
        self.luck = luck
        self.jobs = [job("echo started >> ../../starts; sleep 0.5") for _ in range(3)]
        self.starts: dict[str, int] = {}

    def happenings(self) -> list[Callable[[Job], object]]:
        target = self.rig.target
        return [
            *[lambda one: target.launch([one])] * 6,
            lambda one: target.launch([one, *self.jobs]),
            lambda one: target.poll([one.name]),
            lambda one: target.stop([one.name], grace=self.luck.choice([0, 1])),
            lambda one: target.remove([one.name]),
            lambda one: self.remove_by_hand(one),
            lambda _: self.rig.restart_service(),
            lambda _: self.crash_engine(),
        ]

    def begin(self) -> None:
        """Start the first job, so that no history is empty."""
        first = self.jobs[0]
        self.rig.target.launch([first])
        until((self.rig.state_folder / "boxes" / first.name / "starts").exists, "it has started")
        self.count_starts()

    def step(self) -> None:
        self.luck.choice(self.happenings())(self.luck.choice(self.jobs))
        self.count_starts()

    def remove_by_hand(self, one: Job) -> None:
        for container in self.rig.engine.client.containers.list(
            all=True, ignore_removed=True, filters={"name": one.name}
        ):
            container.remove(force=True)

    def crash_engine(self) -> None:
        self.rig.engine.crash()
        self.rig.engine.start()

    def count_starts(self) -> None:
        for one in self.jobs:
            path = self.rig.state_folder / "boxes" / one.name / "starts"
            if path.exists():
                before = self.starts.get(one.name, 0)
                self.starts[one.name] = max(before, path.read_text().count("started"))

    def settle(self) -> None:
        """What the engine of the service does with jobs whose runs have ended."""
        names = [one.name for one in self.jobs]
        self.rig.target.stop(names, grace=0)
        until(lambda: not self.states() & {State.ALIVE, State.CREATED}, "all have ended")
        self.rig.target.remove(names)

    def states(self) -> set[State]:
        seen = self.rig.target.poll([one.name for one in self.jobs])
        return {observation.state for observation in seen.values()}


@pytest.mark.parametrize("seed", range(8))
def test_no_history_starts_a_job_twice_or_leaves_something_behind(rig: Rig, seed: int) -> None:
    world = World(rig, random.Random(seed))

    world.begin()
    for _ in range(STEPS):
        world.step()
    world.settle()

    assert set(world.starts.values()) == {1}, world.starts
    assert world.states() == {State.REMOVED}
    assert not [*rig.state_folder.glob("boxes/*"), *rig.state_folder.glob("jobs/*")]
    for one in world.jobs:
        assert not rig.engine.client.containers.list(
            all=True, ignore_removed=True, filters={"name": one.name}
        )
