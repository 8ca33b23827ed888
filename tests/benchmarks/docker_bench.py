"""Runs in containers, from `DockerTarget.launch` to all removed, against the bare Docker SDK.

The bare SDK creates, starts, waits for and removes a container of the same image that runs the same
script, as many at a time. Both are measured in turns, so that both see the same machine; what is
told is the median. Pooled runs are short scripts that fork in one container.
"""

import os
import secrets
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import docker
from docker.types import Mount

from dispatcher.core.runs.jobs import Observation, State
from dispatcher.wire.jobs import Job
from targets.docker.target import WORKERS
from tests.benchmarks.measuring import REPEAT, say
from tests.integration.docker_jobs import Rig, make_rig
from tests.integration.docker_service import TOKEN, StubService, serving
from tests.rigs.dockerd import IMAGE, Dockerd, host_python_image

SCRIPT = "print('hello')\n"
SINGLE = int(os.environ.get("BENCH_SINGLE", "15"))  # runs one after the other, in each turn
BURST = 20
WARM = int(os.environ.get("BENCH_WARM", "200"))
AT_A_TIME = 16  # warm runs in flight, as a target with as many slots would have them
GOAL, WARM_GOAL = "goal <= 1.2", "goal >= 50"


class Bare:
    """The floor: what a script by hand would do."""

    def __init__(self, engine: Dockerd, folder: Path) -> None:
        (folder / "main.py").write_text(SCRIPT)
        self._api = docker.APIClient(base_url=engine.url, version="auto")
        self._mount = Mount("/script", str(folder), type="bind", read_only=True)

    def run(self, count: int, at_a_time: int) -> None:
        with ThreadPoolExecutor(at_a_time) as pool:
            list(pool.map(lambda _: self._one(), range(count)))

    def _one(self) -> None:
        host = self._api.create_host_config(network_mode="none", mounts=[self._mount])
        made = self._api.create_container(IMAGE, ["python3", "/script/main.py"], host_config=host)
        self._api.start(made["Id"])
        self._api.wait(made["Id"])
        self._api.remove_container(made["Id"])


class Ours:
    """The target, driven as the engine drives it: it hears of ends, and looks once a second."""

    def __init__(self, rig: Rig, snapshot: str) -> None:
        self._target, self._snapshot = rig.target, snapshot
        self._ends: set[str] = set()
        self._changed = threading.Condition()
        self._target.watch(self._hear)

    def run(self, count: int, at_a_time: int) -> None:
        waiting = [self._job() for _ in range(count)]
        names = {job.name for job in waiting}
        flying: set[str] = set()
        while waiting or flying:
            due = [waiting.pop() for _ in range(min(len(waiting), at_a_time - len(flying)))]
            if due:
                assert not self._target.launch(due)
                flying |= {job.name for job in due}
            over = self._wait(flying)
            flying -= over
            self._target.remove(list(over))
        assert names <= self._ends

    def _wait(self, names: set[str]) -> set[str]:
        """Those of them that have ended, as soon as there are any."""
        with self._changed:
            if self._changed.wait_for(lambda: names & self._ends, timeout=1):
                return names & self._ends
        self._hear(self._target.poll(names))
        return names & self._ends

    def _hear(self, seen: Mapping[str, Observation]) -> None:
        if not seen:
            return
        with self._changed:
            for name, one in seen.items():
                if one.state is State.EXITED:
                    assert one.evidence is not None
                    assert one.evidence.ok, one
                    self._ends.add(name)
            self._changed.notify_all()

    def _job(self) -> Job:
        run_id = f"r{secrets.token_hex(4)}"
        return Job(f"{run_id}-1", run_id, 1, script="main.py", snapshot=self._snapshot, cpus=0)


def seconds(act: Callable[[], None]) -> float:
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun


def in_turns(ways: Sequence[Callable[[], None]], turns: int) -> list[float]:
    """The median seconds of each way."""
    took: list[list[float]] = [[] for _ in ways]
    for _ in range(turns):
        for way, times in zip(ways, took, strict=True):
            times.append(seconds(way))
    return [statistics.median(times) for times in took]


def cold(rig: Rig, bare: Bare, service: StubService) -> None:
    ours = Ours(rig, service.add_snapshot(main=SCRIPT))
    ours.run(2, 1)
    bare.run(2, 1)
    own, floor = in_turns([lambda: ours.run(1, 1), lambda: bare.run(1, 1)], REPEAT * SINGLE)
    say("one run in a container of its own, of the bare SDK's", f"{own / floor:.2f}", GOAL)
    say("", f"{own * 1000:.0f} ms, bare {floor * 1000:.0f} ms")
    ways = [lambda: ours.run(BURST, BURST), lambda: bare.run(BURST, WORKERS)]
    own, floor = in_turns(ways, REPEAT)
    say(f"a burst of {BURST}, of the bare SDK's", f"{own / floor:.2f}", GOAL)
    say("", f"{BURST / own:.1f} runs/s, bare {BURST / floor:.1f} runs/s")


def warm(rig: Rig, service: StubService) -> None:
    ours = Ours(rig, service.add_snapshot(main=SCRIPT))
    ours.run(5, 1)
    (alone,) = in_turns([lambda: ours.run(1, 1)], REPEAT * SINGLE)
    (took,) = in_turns([lambda: ours.run(WARM, AT_A_TIME)], REPEAT)
    say(f"{WARM} short scripts in a warm container", f"{WARM / took:.0f} runs/s", WARM_GOAL)
    say("one of them alone", f"{alone * 1000:.1f} ms")


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="docker-bench-"))
    engine = Dockerd()
    try:
        host_python_image(engine.client, IMAGE)
        for name in ("bare", "cold", "warm"):
            (folder / name).mkdir()
        for name in ("cold", "warm"):
            is_poolable = name == "warm"
            rig = make_rig(engine, folder / name, token=TOKEN, real_agent=True, warm=is_poolable)
            with serving(rig.site.service_socket) as service:
                if is_poolable:
                    warm(rig, service)
                else:
                    cold(rig, Bare(engine, folder / "bare"), service)
                rig.target.close()
    finally:
        engine.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
