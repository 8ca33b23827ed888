"""Jobs that were sent ahead of their turn start in order, when those before them leave room."""

import os
import signal
from pathlib import Path
from typing import Any

from tests.integration.agent.rig import Agent, job
from tests.rigs.waiting import until


class Gates:
    """Jobs that run until their gate is opened, and write down when they run."""

    def __init__(self, agent: Agent, folder: Path) -> None:
        self._agent, self._folder = agent, folder

    def job(self, name: str, **options: Any) -> dict[str, Any]:
        wait = f"while [ ! -e {self._folder}/{name} ]; do sleep 0.02; done"
        command = f"echo {name} >> {self._folder}/started; {wait}"
        return job(f"{name}-1", command=command, **{"cpus": 1, **options})

    def send(self, *names: str, cpu_budget: float | None = 2, **options: Any) -> None:
        self._agent.submit(*[self.job(name, cpu_budget=cpu_budget, **options) for name in names])

    def open(self, *names: str) -> None:
        for name in names:
            (self._folder / name).touch()

    def started(self) -> list[str]:
        """Who has started. The first two are sent together, and either may be the quicker one."""
        path = self._folder / "started"
        names = path.read_text().split() if path.exists() else []
        return sorted(names[:2]) + names[2:]

    def until(self, *names: str) -> None:
        until(lambda: self.started() == list(names), f"{names} have started, in this order")


def test_no_more_run_than_have_room_and_each_end_starts_the_next(
    agent: Agent, tmp_path: Path
) -> None:
    gates = Gates(agent, tmp_path)
    gates.send("a", "b", cpu_budget=None)
    gates.send("c", "d", "e")
    gates.until("a", "b")
    assert agent.observe("c-1")["state"] == "created"
    gates.open("b")
    gates.until("a", "b", "c")
    gates.open("a")
    gates.until("a", "b", "c", "d")
    gates.open("c")
    gates.until("a", "b", "c", "d", "e")
    gates.open("d", "e")
    assert agent.evidence("e-1")["exit_code"] == 0


def test_a_large_one_is_not_overtaken_by_a_small_one(agent: Agent, tmp_path: Path) -> None:
    gates = Gates(agent, tmp_path)
    gates.send("a", "b", cpu_budget=None)
    gates.send("large", cpus=2)
    gates.send("small")
    gates.open("a")
    agent.evidence("a-1")
    assert agent.observe("small-1")["state"] == "created"
    gates.open("b")
    gates.until("a", "b", "large")
    gates.open("large")
    gates.until("a", "b", "large", "small")
    gates.open("small")


def test_one_that_is_sent_again_without_a_line_starts_at_once_and_once(
    agent: Agent, tmp_path: Path
) -> None:
    gates = Gates(agent, tmp_path)
    gates.send("a", "b", cpu_budget=None)
    gates.send("c", "d")
    gates.until("a", "b")
    gates.send("c", cpu_budget=None)
    gates.send("c", cpu_budget=None)
    gates.until("a", "b", "c")
    gates.open("a", "b")
    gates.until("a", "b", "c", "d")
    gates.open("c", "d")
    agent.evidence("d-1")
    assert gates.started() == ["a", "b", "c", "d"]


def test_one_that_was_stopped_in_the_line_never_starts_and_holds_up_nobody(
    agent: Agent, tmp_path: Path
) -> None:
    gates = Gates(agent, tmp_path)
    gates.send("a", "b", cpu_budget=None)
    gates.send("c", "d")
    agent.stop("c-1")
    assert agent.evidence("c-1")["reason"] == "stopped"
    gates.until("a", "b")
    gates.open("a")
    gates.until("a", "b", "d")
    gates.open("b", "d")
    agent.evidence("d-1")
    assert gates.started() == ["a", "b", "d"]


def test_a_killed_agent_leaves_the_line_to_be_sent_again_and_counts_what_runs(
    agent: Agent, tmp_path: Path
) -> None:
    gates = Gates(agent, tmp_path)
    gates.send("a", "b", cpu_budget=None)
    gates.send("c")
    gates.until("a", "b")
    agent.restart()
    assert agent.observe("c-1")["state"] == "absent"
    gates.send("c")
    gates.send("later", cpu_budget=None)  # the agent takes up what it was sent in that order
    gates.until("a", "b", "later")
    gates.open("a", "later")
    gates.until("a", "b", "later", "c")
    gates.open("b", "c")
    agent.evidence("c-1")


def test_a_job_whose_shim_was_killed_makes_room(agent: Agent, tmp_path: Path) -> None:
    gates = Gates(agent, tmp_path)
    gates.send("a", "b", cpu_budget=None)
    gates.send("c")
    gates.until("a", "b")
    os.kill(agent.state("a-1")["shim"], signal.SIGKILL)
    gates.until("a", "b", "c")
    gates.open("b", "c")
    agent.evidence("c-1")
