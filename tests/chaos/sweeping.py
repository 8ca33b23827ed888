"""A sweep whose service and agents are killed at random, and what must be true of it in the end."""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tests.rigs.service import Service
from tests.rigs.waiting import until

# Each trial notes its arguments when it starts and when it is done.
TRIAL = (
    'sh -c \'echo "start $*" >> "$CHAOS_EFFECTS"; sleep {seconds}; '
    'echo "end $*" >> "$CHAOS_EFFECTS"\' trial'
)


@dataclass(frozen=True)
class Outcome:
    """What a sweep has come to."""

    status: str
    cells: Counter[str]  # of its trials
    completed: Counter[str]
    starts: Counter[str]  # by the trials' own word
    ends: Counter[str]


@dataclass(frozen=True)
class Sweeping:
    """One sweep on one service."""

    service: Service
    effects: Path
    id: str

    def submit(self, sampling: dict[str, Any], total: int, seconds: float, at_once: int) -> None:
        trial = {
            "id": f"{self.id}_0",
            "experiment": "chaos",
            "type": "azureml.scriptrun",
            "command": TRIAL.format(seconds=seconds),
            "environment_variables": {"CHAOS_EFFECTS": str(self.effects)},
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
        noted = Counter(self.effects.read_text().splitlines())
        return Outcome(
            view["status"],
            Counter(row["hyperparameters"] for row in trials),
            Counter(r["hyperparameters"] for r in trials if r["status"] == "Completed"),
            Counter({line[6:]: n for line, n in noted.items() if line.startswith("start ")}),
            Counter({line[4:]: n for line, n in noted.items() if line.startswith("end ")}),
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

    def over(self) -> bool:
        return bool(self.service.view(self.id)["terminal"])


def kill(
    sweeping: Sweeping, luck: random.Random, seconds: float, pauses: tuple[float, float]
) -> tuple[int, int]:
    """Kill the service and the agents, one or the other, until it is over or time is up."""
    service, agents, deadline = 0, 0, time.monotonic() + seconds
    while time.monotonic() < deadline:
        time.sleep(luck.uniform(*pauses))
        sweeping.service.wait_healthy()
        if sweeping.over():
            break
        if luck.random() < 0.75:
            before = sweeping.service.restarts
            sweeping.service.kill_only()
            until(partial(_restarted, sweeping.service, before), "it is started again")
            service += 1
        for agent in sweeping.service.agents() if luck.random() < 0.3 else ():
            with suppress(ProcessLookupError):
                os.kill(agent.pid, signal.SIGKILL)
            agents += 1
    return service, agents


def _restarted(service: Service, before: int) -> bool:
    return service.restarts > before


def grid(*sizes: int) -> dict[str, Any]:
    space = {f"p{k}": ["choice", [list(range(size))]] for k, size in enumerate(sizes)}
    return {"name": "GRID", "parameter_space": space}


def run_grid(folder: Path, sizes: Sequence[int], seconds: float, at_once: int) -> Sweeping:
    """Start a service and a grid on it."""
    service = Service(folder)
    service.start()
    service.attach("local", kind="local", cpus=at_once)
    sweeping = Sweeping(service, folder / "effects", "HD_chaos")
    sweeping.effects.touch()
    total = 1
    for size in sizes:
        total *= size
    sweeping.submit(grid(*sizes), total * 2, seconds, at_once)
    return sweeping
