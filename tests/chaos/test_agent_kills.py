"""The node agent, a job's shim or the job's process killed at random: what goes on goes on, what
is lost is known within a second and started once more, and no attempt starts twice.
"""

import json
import os
import random
import signal
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.effects import Effects
from tests.chaos.scenario import ENDED, NOTE
from tests.rigs import processes
from tests.rigs.service import Service
from tests.rigs.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

TIMES = 15
LONG = 0.6  # seconds that a script takes


class Desk:
    """A service, runs on it, and what kills them."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.luck = random.Random(seed)
        self.effects = Effects(folder / "effects")
        self.service = Service(folder)
        self.service.start()
        self.service.attach("local", kind="local", cpus=16)
        self.run("warm")
        self.ended("warm")

    def run(self, run_id: str, seconds: float = 0.0) -> None:
        variables = {"CHAOS_EFFECTS": str(self.effects.path)}
        command = f"{NOTE}sleep {seconds}; note end"
        spec = {"id": run_id, "command": command, "environment_variables": variables}
        self.service.submit({**spec, "target": "local"})

    def ended(self, run_id: str) -> dict[str, Any]:
        until(lambda: self.service.wait([run_id], 5)[run_id] in ENDED, f"{run_id} has ended", 60)
        return self.service.view(run_id)

    def ends(self, run_id: str) -> list[dict[str, Any]]:
        """How each of its attempts ended, and when that was recorded."""
        told = self.service.transport.get(f"/runs/{run_id}/attempts")
        return list(told["attempts"])

    def state(self, run_id: str) -> dict[str, Any]:
        """What the shim of the first attempt wrote when it had started the job."""
        path = self.service.data / "nodes" / "local" / "jobs" / f"{run_id}-1" / "lock"

        def read() -> dict[str, Any] | None:
            with suppress(OSError, ValueError):
                state = dict(json.loads(path.read_text()))
                return state if "pids" in state else None
            return None

        return until(read, f"{run_id} has started")

    def pause(self) -> None:
        """The random moment; nothing is waited for."""
        time.sleep(self.luck.uniform(0, LONG * 0.6))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    seed = random.randrange(10**6)
    print(f"\nseed {seed}")
    made = Desk(tmp_path, seed)
    yield made
    made.service.close()


def kill_agent(desk: Desk, _run_id: str) -> None:
    for agent in desk.service.agents():
        os.kill(agent.pid, signal.SIGKILL)


def kill_forkers(desk: Desk, _run_id: str) -> None:
    """The fork servers: parents of the shims."""
    place = str(desk.service.data / "nodes" / "local")
    for forker in processes.running("dispatcher.agent.starting.fork_server", place):
        if processes.look(forker.parent) and "serve" in _command(forker.parent):
            os.kill(forker.pid, signal.SIGKILL)


def _command(pid: int) -> tuple[str, ...]:
    found = processes.look(pid)
    return found.command if found else ()


@pytest.mark.parametrize("kill", [kill_agent, kill_forkers])
def test_a_job_goes_on_when_what_started_it_is_killed(
    desk: Desk, kill: Callable[[Desk, str], None]
) -> None:
    late = []
    for k in range(TIMES):
        run_id = f"g{k}"
        desk.run(run_id, LONG)
        desk.pause()
        kill(desk, run_id)
        seen = desk.ended(run_id)

        assert (seen["status"], seen["exit_code"], seen["attempt"]) == ("Completed", 0, 1), seen
        did = [effect for effect in desk.effects.read() if effect[0] == run_id]
        assert did == [(run_id, 1, "start"), (run_id, 1, "end")]
        late.append(_moment(desk.ends(run_id)[0]["at"]) - _moment(seen["ended_at"]))
    _show(f"{kill.__name__}: end to record", late)
    assert max(late) < 1


def test_a_killed_shim_is_known_within_a_second_and_its_job_started_once_more(desk: Desk) -> None:
    late = []
    for k in range(TIMES):
        run_id = f"s{k}"
        desk.run(run_id, LONG)
        shim = int(desk.state(run_id)["shim"])
        desk.pause()
        os.kill(shim, signal.SIGKILL)
        at = time.time()
        seen = desk.ended(run_id)

        assert (seen["status"], seen["attempt"]) == ("Completed", 2), seen
        starts = desk.effects.starts([run_id])
        assert starts == {(run_id, 1): 1, (run_id, 2): 1}
        assert (run_id, 1, "end") not in desk.effects.read()
        late.append(_moment(desk.ends(run_id)[0]["at"]) - at)
    _show("shim killed: verdict", late)
    assert max(late) < 1


def test_a_killed_process_is_known_within_a_second_and_not_started_again(desk: Desk) -> None:
    late = []
    for k in range(TIMES):
        run_id = f"p{k}"
        desk.run(run_id, LONG)
        pid = int(desk.state(run_id)["pid"])
        desk.pause()
        os.kill(pid, signal.SIGKILL)
        at = time.time()
        seen = desk.ended(run_id)

        assert (seen["status"], seen["attempt"]) == ("Failed", 1), seen
        assert desk.effects.starts([run_id]) == {(run_id, 1): 1}
        late.append(_moment(desk.ends(run_id)[0]["at"]) - at)
    _show("process killed: verdict", late)
    assert max(late) < 1


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _show(what: str, seconds: list[float]) -> None:
    p50, most = statistics.median(seconds), max(seconds)
    print(f"{what:<32} n={len(seconds)} p50={p50 * 1000:.0f} ms max={most * 1000:.0f} ms")
