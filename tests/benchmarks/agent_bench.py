"""How many runs a second a node agent starts, against the floor: the same interpreter by
`posix_spawn`, as many at a time.

Set RUNS and AT_A_TIME for other numbers than 200 and 2.
Prints runs/s, the ratio to the floor, and the CPU time that agent, forker and shim add to each run.
"""

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dispatcher.agent.node import NodeAgent

RUNS = int(os.environ.get("RUNS") or 200)
AT_A_TIME = int(os.environ.get("AT_A_TIME") or 2)
WARM_UP = 10


def floor(script: str) -> tuple[float, float]:
    """Runs a second and CPU seconds a run of the interpreter alone."""
    alive: set[int] = set()
    begun, cpu = time.perf_counter(), _cpu()
    for _ in range(RUNS):
        if len(alive) == AT_A_TIME:
            alive.discard(os.waitpid(-1, 0)[0])
        line = [sys.executable, script]
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        alive.add(os.posix_spawn(sys.executable, line, environment, setsid=True))
    while alive:
        alive.discard(os.waitpid(-1, 0)[0])
    return RUNS / (time.perf_counter() - begun), (_cpu() - cpu) / RUNS


class Driver:
    """Keeps so many jobs going, and wakes when one has ended."""

    def __init__(self, agent: NodeAgent) -> None:
        self._agent = agent
        self._slots = threading.Semaphore(AT_A_TIME)

    def _hear(self, seen: dict[str, Any]) -> None:
        if seen["state"] == "exited":
            if seen["evidence"]["exit_code"] != 0:
                print("failed:", seen)
            self._slots.release()

    def run(self, count: int, make: Callable[[int], dict[str, Any]]) -> tuple[float, float]:
        end = self._agent.subscribe(self._hear)
        begun, cpu = time.perf_counter(), _cpu()
        for number in range(count):
            self._slots.acquire()
            self._agent.submit([make(number)])
        for _ in range(AT_A_TIME):
            self._slots.acquire()
        took, used = time.perf_counter() - begun, _cpu() - cpu
        self._slots.release(AT_A_TIME)
        end()
        return count / took, used / count


def latency(agent: NodeAgent, make: Callable[[int], dict[str, Any]]) -> float:
    """Median milliseconds from submit to the end being told, one at a time."""
    times = []
    told = threading.Event()
    end = agent.subscribe(lambda seen: told.set() if seen["state"] == "exited" else None)
    for number in range(50):
        told.clear()
        begun = time.perf_counter()
        agent.submit([make(number)])
        told.wait(10)
        times.append(time.perf_counter() - begun)
    end()
    return sorted(times)[len(times) // 2] * 1000


def _cpu() -> float:
    """CPU seconds of this process and of all that it or its children have reaped.

    A forker reaps its shims and a shim its script, so all of a run ends up in its forker's account.
    """
    own = resource.getrusage(resource.RUSAGE_SELF)
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    total = own.ru_utime + own.ru_stime + ended.ru_utime + ended.ru_stime
    for child in Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split():
        fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
        total += sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    return total


def _job(kind: str, start: str, script: str) -> Callable[[int], dict[str, Any]]:
    return lambda number: {
        "name": f"{kind}-{start}-{number}",
        "run_id": "bench",
        "attempt": 1,
        "script": script,
        "start": start,
        "ranks": [{"rank": 0, "local_rank": 0, "node_rank": 0, "gpus": []}],
    }


def main() -> None:
    root = tempfile.mkdtemp()
    script = f"{root}/pass.py"
    Path(script).write_text("pass\n")
    agent = NodeAgent(f"{root}/agent")
    agent.start()
    driver = Driver(agent)
    try:
        driver.run(WARM_UP, _job("warm", "fork", script))
        rate, cpu = floor(script)
        print(f"floor   {rate:7.1f} runs/s            {cpu * 1000:6.2f} ms CPU a run")
        for start in ("fresh", "fork"):
            own_rate, own_cpu = driver.run(RUNS, _job("bench", start, script))
            print(
                f"{start:7} {own_rate:7.1f} runs/s = {own_rate / rate:5.2f} of the floor, "
                f"{own_cpu * 1000:6.2f} ms CPU a run, {(own_cpu - cpu) * 1000:+6.2f} ms; "
                f"alone {latency(agent, _job('alone', start, script)):.1f} ms"
            )
    finally:
        agent.close()
        shutil.rmtree(root)


if __name__ == "__main__":
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    main()
