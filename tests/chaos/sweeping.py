"""A sweep, all of whose processes are killed at random, and what must be true of it in the end."""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any

from tests.chaos.effects import Effect, Effects
from tests.chaos.nursery import NursedService
from tests.chaos.scenario import NOTE
from tests.rigs.service import Service
from tests.rigs.waiting import until

VICTIMS = ("service", "agent", "forker", "shim", "trial")
TRIED = 50  # times; more than one trial is killed by bad luck


@dataclass(frozen=True)
class Outcome:
    """What a sweep has come to."""

    status: str
    cells: Counter[str]  # of its trials
    completed: Counter[str]
    doubled: list[str]  # attempts that were started twice
    unfinished: list[str]  # trials that are Completed, and have not come to their end
    overtaken: list[str]  # what an attempt did after the next one had started
    at_once: int  # trials that were open at the most
    redone: int  # trials that were killed between their end and its record, and ran again

    def done_once(self, count: int) -> bool:
        """Whether so many cells are completed, each by one trial, and nothing was started twice."""
        once = self.cells == self.completed and self.completed.total() == len(self.completed)
        right = once and not (self.doubled or self.unfinished or self.overtaken)
        return right and self.status == "Completed" and len(self.completed) == count


@dataclass(frozen=True)
class Sweeping:
    """One sweep on one service."""

    service: Service
    effects: Effects
    id: str

    def submit(self, sampling: dict[str, Any], total: int, seconds: float, at_once: int) -> None:
        trial = {
            "id": f"{self.id}_0",
            "experiment": "chaos",
            "type": "azureml.scriptrun",
            "command": f"{NOTE}sleep {seconds}; note end; exit 0 #",
            "environment_variables": {"CHAOS_EFFECTS": str(self.effects.path)},
            "max_retries": {"infra": TRIED, "user": TRIED},
        }
        self.service.transport.post(
            "/sweeps",
            {
                "id": self.id,
                "experiment": "chaos",
                "trial": trial,
                "sampling": sampling,
                "primary_metric": {"name": "m", "goal": "maximize"},
                "max_total_runs": total,
                "max_concurrent_runs": at_once,
            },
        )

    def outcome(self, seconds: float = 300) -> Outcome:
        """Wait until it is over, and see."""
        deadline = time.monotonic() + seconds
        view = self.service.view(self.id)
        while not view["terminal"]:
            assert time.monotonic() < deadline, f"it is not over: {view}"
            query = [("after", view["version"]), ("wait", 5)]
            view = self.service.transport.get(f"/runs/{self.id}", query)
        trials = self.trials()
        did = self.effects.read()
        ends = Counter(run for run, _, what in did if what == "end")
        completed = [row for row in trials if row["status"] == "Completed"]
        return Outcome(
            view["status"],
            Counter(row["hyperparameters"] for row in trials),
            Counter(row["hyperparameters"] for row in completed),
            [f"{effect}" for effect, n in Counter(did).items() if n > 1],
            [row["run_id"] for row in completed if not ends[row["run_id"]]],
            list(_overtaken(did)),
            _most_at_once(self.runs()),
            sum(n > 1 for n in ends.values()),
        )

    def trials(self) -> list[dict[str, Any]]:
        """The whole table, page by page."""
        rows: list[dict[str, Any]] = []
        after: int | None = -1
        while after is not None:
            query = [("after", after), ("limit", 1000)]
            page = self.service.transport.get(f"/sweeps/{self.id}/trials", query)
            rows += page["trials"]
            after = page["next"]
        return rows

    def runs(self) -> list[dict[str, Any]]:
        """The trials as runs."""
        found: list[dict[str, Any]] = []
        after: list[tuple[str, str]] = []
        while True:
            page = self.service.transport.get("/runs", [("parent", self.id), *after])
            found += page["runs"]
            if not page.get("next"):
                return found
            after = [("cursor", page["next"])]

    def over(self) -> bool:
        return bool(self.service.view(self.id)["terminal"])


def kill(
    sweeping: Sweeping,
    luck: random.Random,
    seconds: float,
    pauses: tuple[float, float],
    victims: Sequence[str] = VICTIMS,
) -> Counter[str]:
    """Kill one process after the other until the sweep is over or time is up; how many of which."""
    service, killed, due = sweeping.service, Counter[str](), list[str]()
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        time.sleep(luck.uniform(*pauses))
        if service.is_healthy() and sweeping.over():
            break
        due = due or luck.sample(victims, len(victims))
        victim = due.pop()
        if victim == "service":
            before = service.restarts
            service.kill_only()
            until(partial(_restarted, service, before), "it is started again")
            killed[victim] += 1
        elif found := [pid for kind, pid in workers(service) if kind == victim]:
            with suppress(ProcessLookupError):
                os.kill(luck.choice(found), signal.SIGKILL)
                killed[victim] += 1
    return killed


def calm_and_wild(
    make: type[Service], folder: Path, count: int, seconds: float, limit: float
) -> tuple[Outcome, Outcome]:
    """Two random sweeps of one seed: one is left alone; of the other all processes are killed for
    so many `seconds`, and it has to end within `limit`.
    """
    luck = random.randrange(10**6)
    space = {"lr": ["loguniform", [-6, -1]], "n": ["qnormal", [50, 20, 5]]}
    sampling = {"name": "RANDOM", "parameter_space": space, "properties": {"seed": 7}}
    service = make(folder)
    try:
        service.start()
        service.attach("local", kind="local", cpus=4)
        calm, wild = (Sweeping(service, Effects(folder / name), name) for name in ("calm", "wild"))
        calm.submit(sampling, count, 0, 4)
        first = calm.outcome()
        wild.submit(sampling, count, 0.5, 2)
        with service.kept_alive():
            killed = kill(wild, random.Random(luck), seconds, (0.0, 0.5))
        second = wild.outcome(limit)
        print(f"\nseed {luck}: killed {dict(killed)}; {len(second.cells)} cells")
        return first, second
    finally:
        service.close()


def workers(service: Service) -> Iterator[tuple[str, int]]:
    """What of the service's own processes is alive but itself, and as what."""
    members = {process.pid: process for process in service.members()}
    lines = {pid: " ".join(process.command) for pid, process in members.items()}
    agents = {pid for pid, line in lines.items() if "dispatcher.agent serve" in line}
    for pid, process in members.items():
        line = lines[pid]
        if "dispatcher.cli.main" in line or "tests.chaos.nursery" in line:
            continue
        if pid in agents:
            yield "agent", pid
        elif "dispatcher.agent.starting.fork_server" in line:
            yield ("forker" if process.parent in agents else "shim"), pid
        else:
            yield "trial", pid


def _most_at_once(runs: Sequence[Mapping[str, Any]]) -> int:
    made = [(run["created_at"], 1) for run in runs]
    steps = sorted([*made, *((run["ended_at"], -1) for run in runs)])
    return max(accumulate(step for _, step in steps))


def _overtaken(did: Sequence[Effect]) -> Iterator[str]:
    latest: dict[str, int] = {}
    for run, attempt, what in did:
        if attempt < latest.get(run, 0):
            yield f"{run} {attempt} {what}"
        latest[run] = max(attempt, latest.get(run, 0))


def _restarted(service: Service, before: int) -> bool:
    return service.restarts > before


def grid(*sizes: int) -> dict[str, Any]:
    space = {f"p{k}": ["choice", [list(range(size))]] for k, size in enumerate(sizes)}
    return {"name": "GRID", "parameter_space": space}


def run_grid(
    folder: Path,
    sizes: Sequence[int],
    seconds: float,
    at_once: int,
    patches: Path | None = None,
) -> Sweeping:
    """Start a service and a grid on it."""
    make = Service if patches else NursedService
    service = make(folder, patches=patches)
    service.start()
    service.attach("local", kind="local", cpus=at_once)
    sweeping = Sweeping(service, Effects(folder / "effects"), "HD_chaos")
    total = 1
    for size in sizes:
        total *= size
    sweeping.submit(grid(*sizes), total * 2, seconds, at_once)
    return sweeping
