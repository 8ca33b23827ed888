"""The service is killed at every call that leaves it; each time it is started again, and what it
then says is compared with what scripts did.
"""

import os
import queue
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.chaos.injection import Point, counting, killing
from tests.chaos.judging import Tally, judge, judge_later
from tests.chaos.scenario import Scenario, Stage
from tests.chaos.stages import Kind, leaks, stage

# Between two pages of one commit nothing but SQLite's own log differs, and between two pieces of
# replies nothing is changed that the commits' own points do not tell apart: of these, some. With
# CHAOS_EVERY=1 they are all taken.
STRIDE = {} if os.environ.get("CHAOS_EVERY") else {"pwrite64": 12, "sendto": 4}
WHOLE = ("target-", "store-writer")  # threads that launch, and that tell of commits
Choose = Callable[[Counter[Point]], Sequence[Point]]


def every_point(found: Counter[Point]) -> list[Point]:
    """All points of a counted life, a few more where the count differs from time to time."""
    points = []
    for point, count in sorted(found.items(), key=str):
        whole = point.call == "sendto" and point.thread.startswith(WHOLE)
        step = 1 if whole else STRIDE.get(point.call, 1)
        points += [
            Point(point.phase, point.thread, point.call, n) for n in range(1, count + 1, step)
        ]
    return points


def sample(wanted: int) -> Choose:
    """So many points, spread evenly over all."""

    def choose(found: Counter[Point]) -> list[Point]:
        points = every_point(found)
        return [points[k * len(points) // wanted] for k in range(min(wanted, len(points)))]

    return choose


def sweep(kinds: Sequence[Kind], folder: Path, choose: Choose = every_point) -> Tally:
    """Count the points of one life, then die at each that is chosen; a worker for each kind given.

    The kinds differ only in where their data is.
    """
    with stage(kinds[0], _made(folder / "count")) as counted:
        found = count(counted)
    points: queue.SimpleQueue[Point] = queue.SimpleQueue()
    for point in choose(found):
        points.put(point)
    folders = [_made(folder / str(k)) for k in range(len(kinds))]
    whole = Tally()
    with ThreadPoolExecutor(len(kinds)) as workers:
        done = [workers.submit(_work, *at, points) for at in zip(kinds, folders, strict=True)]
        for tally in done:
            whole.merge(tally.result())
    return whole


def count(made: Stage) -> Counter[Point]:
    """The calls of one scenario, and of one start in the middle of another."""
    found: Counter[Point] = Counter()
    scenario = Scenario(made, "count0")
    with counting(made.service, "serve", found):
        scenario.begin()
        scenario.finish()
    scenario = Scenario(made, "count1")
    scenario.begin()
    made.service.kill()
    made.service.spawn(CHAOS_HOLD="1")
    recovery: Counter[Point] = Counter()
    with counting(made.service, "recover", recovery):
        made.service.wait_healthy()
        scenario.finish()
    for point, n in recovery.items():  # there, threads are not told apart: they do not exist yet
        whole = Point("recover", "", point.call, 0)
        found[whole] = max(found[whole], n)
    return found


def _work(kind: Kind, folder: Path, points: "queue.SimpleQueue[Point]") -> Tally:
    tally = Tally()
    earlier: list[tuple[Point, Scenario]] = []
    with stage(kind, folder) as made:
        for k, point in enumerate(_drawn(points)):
            scenario = Scenario(made, f"p{k}w{folder.name}")
            tally.points += 1
            try:
                tally.killed += play(scenario, point)
            except AssertionError as error:
                scenario.drain()
                tally.add([("stuck", str(error))], str(point))
            tally.add(judge(scenario), str(point))
            earlier.append((point, scenario))
            if len(earlier) > 1:  # judged once more after the next restart
                _judge_again(kind, tally, *earlier.pop(0))
        for point, scenario in earlier:
            _judge_again(kind, tally, point, scenario)
    return tally


def play(scenario: Scenario, point: Point) -> bool:
    """One scenario, and the point in it; whether the service was killed there."""
    service = scenario.stage.service
    before = service.restarts
    if point.phase == "serve":
        with service.kept_alive(), killing(service, point):
            scenario.begin()
            scenario.finish()
    else:
        scenario.begin()
        service.kill()
        service.spawn(CHAOS_HOLD="1")
        with service.kept_alive(), killing(service, point):
            scenario.finish()
    return service.restarts > before


def _judge_again(kind: Kind, tally: Tally, point: Point, scenario: Scenario) -> None:
    tally.add(judge_later(scenario), str(point))
    tally.add(leaks(kind, scenario), str(point))


def _drawn(points: "queue.SimpleQueue[Point]") -> Iterable[Point]:
    while True:
        try:
            yield points.get_nowait()
        except queue.Empty:
            return


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder
