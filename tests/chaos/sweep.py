"""The service, and an agent, is killed at every call that leaves it and started again; what the
service then says is compared with what scripts did.
"""

import os
import queue
import random
import re
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from tests.chaos.injection import Point, counting, killing
from tests.chaos.judging import Tally, judge, judge_later
from tests.chaos.scenario import Scenario, Stage
from tests.chaos.stages import Kind, leaks, stage
from tests.rigs.processes import Process
from tests.rigs.waiting import until

# Between two pages of one commit nothing but SQLite's own log differs, and between two pieces of
# replies nothing is changed that the commits' own points do not tell apart: of these, some. With
# CHAOS_EVERY=1 the others are taken, too, after them; with CHAOS_EVERY=2 every second point of all.
# CHAOS_DONE names the `progress` of a sweep that was ended early: what it has tried is left out.
DONE = os.environ.get("CHAOS_DONE")
EVERY = int(os.environ.get("CHAOS_EVERY") or 0)
STRIDE = {"pwrite64": 12, "sendto": 4}
TAKE_OVER = {"DISPATCHER_TAKE_OVER": "1"}
WHOLE = ("target-", "store-writer")  # threads that launch, and that tell of commits
STARTING = ("recover", "cold")
Choose = Callable[[Counter[Point]], Sequence[Point]]


def every_point(found: Counter[Point]) -> list[Point]:
    """All points of a counted life, mixed: a sweep that is ended early has seen some of each."""
    first: list[Point] = []
    others: list[Point] = []
    for point, count in sorted(found.items(), key=str):
        whole = point.call == "sendto" and point.thread.startswith(WHOLE)
        step = 1 if whole else STRIDE.get(point.call, 1)
        for n in range(1, count + 1):
            kind = others if (n - 1) % step else first
            kind.append(Point(point.phase, point.thread, point.call, n))
    for points in (first, others):
        random.Random(0).shuffle(points)
    chosen = [*first, *others][::EVERY] if EVERY else first
    done = _tried(Path(DONE)) if DONE else frozenset()
    return [point for point in chosen if str(point) not in done]


def _tried(progress: Path) -> frozenset[str]:
    """The points that have a row: their name stands before its first two numbers."""
    rows = (re.match(r"(.*?)\s+\d+\s+\d+\s", row) for row in progress.read_text().splitlines())
    return frozenset(row[1] for row in rows if row)


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
    # The first of them comes after the one that was counted, on the same database.
    heir = replace(kinds[0], environment={**(kinds[0].environment or {}), **TAKE_OVER})
    with ThreadPoolExecutor(len(kinds)) as workers:
        each = zip([heir, *kinds[1:]], folders, strict=True)
        done = [workers.submit(_work, *at, points) for at in each]
        for tally in done:
            whole.merge(tally.result())
    return whole


def count(made: Stage) -> Counter[Point]:
    """The calls of one scenario, of one start in the middle of another, of one start with nothing
    there that a service needs to start jobs, and of an agent that starts those of a scenario.
    """
    found: Counter[Point] = Counter()
    folder = made.service.folder
    scenario = Scenario(made, "count0")
    with counting(made.service.pid, folder, "serve", found):
        scenario.begin()
        scenario.finish()
    scenario = Scenario(made, "count1")
    scenario.begin()
    made.service.kill()
    made.service.spawn(CHAOS_HOLD="1")
    with counting(made.service.pid, folder, "recover", found):
        made.service.wait_healthy()
        scenario.finish()
    scenario = Scenario(made, "count2")
    made.service.kill()
    made.clear()
    made.service.spawn(CHAOS_HOLD="1")
    with counting(made.service.pid, folder, "cold", found):
        made.service.wait_healthy()
        scenario.begin()
    scenario.finish()
    for agent in made.service.agents(made.wide):
        scenario = Scenario(made, "count3")
        with counting(agent.pid, folder, "agent", found):
            scenario.begin()
            scenario.finish()
    return _of_all_threads(found)


def _of_all_threads(found: Counter[Point]) -> Counter[Point]:
    """In a service that is starting threads are not told apart: they do not exist yet."""
    known: Counter[Point] = Counter()
    for point, n in found.items():
        whole = replace(point, thread="") if point.phase in STARTING else point
        known[whole] = max(known[whole], n)
    return known


def _work(kind: Kind, folder: Path, points: "queue.SimpleQueue[Point]") -> Tally:
    tally, mark = Tally(), secrets.token_hex(2)  # another sweep's processes are not this one's
    earlier: list[tuple[Point, Scenario]] = []
    with stage(kind, folder) as made:
        for k, point in enumerate(_drawn(points)):
            scenario = Scenario(made, f"{mark}p{k}w{folder.name}")
            one, at = Tally(points=1), time.monotonic()
            try:
                one.killed += play(scenario, point)
            except AssertionError as error:
                scenario.abandon()
                one.add([("stuck", str(error))], str(point))
            one.add(judge(scenario), str(point))
            _note(folder, one.row(str(point)) + f"{time.monotonic() - at:>8.1f} s", one.findings)
            tally.merge(one)
            earlier.append((point, scenario))
            if len(earlier) > 1:  # judged once more after the next restart
                _judge_again(kind, tally, folder, *earlier.pop(0))
        for point, scenario in earlier:
            _judge_again(kind, tally, folder, point, scenario)
    return tally


def play(scenario: Scenario, point: Point) -> bool:
    """One scenario, and the point in it; whether the service or the agent was killed there."""
    service = scenario.stage.service
    if point.phase == "agent":
        return _play_agent(scenario, point)
    before = service.restarts
    if point.phase == "recover":
        scenario.begin()
    if point.phase != "serve":
        service.kill()
        if point.phase == "cold":
            scenario.stage.clear()
        service.spawn(CHAOS_HOLD="1")
    with service.kept_alive(), killing(service.pid, point):
        if point.phase != "recover":
            scenario.begin()
        scenario.finish()
    return service.restarts > before


def _only(agents: Sequence[Process]) -> Process | None:
    """The agent; nothing while there is none, or another one that is about to see that it is."""
    return agents[0] if len(agents) == 1 else None


def _play_agent(scenario: Scenario, point: Point) -> bool:
    """The agent is killed, and the service starts another one; its jobs go on."""
    service, target = scenario.stage.service, scenario.stage.wide
    agent = until(lambda: _only(service.agents(target)), "one agent is there")
    with killing(agent.pid, point):
        scenario.begin()
        scenario.finish()
    return agent.pid not in [each.pid for each in service.agents(target)]


def _judge_again(kind: Kind, tally: Tally, folder: Path, point: Point, scenario: Scenario) -> None:
    later = Tally()
    later.add(judge_later(scenario), str(point))
    later.add(leaks(kind, scenario), str(point))
    _note(folder, "", later.findings)
    tally.merge(later)


def _note(folder: Path, row: str, findings: Sequence[str]) -> None:
    """For whoever looks while the sweep goes on."""
    with (folder.parent / "progress").open("a") as file:
        file.writelines(f"{line}\n" for line in (row, *findings) if line)


def _drawn(points: "queue.SimpleQueue[Point]") -> Iterable[Point]:
    while True:
        try:
            yield points.get_nowait()
        except queue.Empty:
            return


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder
