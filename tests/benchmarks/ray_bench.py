"""Scripts on a warm Ray cluster of two nodes, from `RayTarget.launch` to all ended: rates, ratios.

The floor is posix_spawn of the same interpreter, two at a time, in the same minute. Ray's own Jobs
API starts a few of the same scripts on the same cluster.
"""

import os
import secrets
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from dispatcher.core.runs.jobs import Observation, State
from dispatcher.wire.jobs import Job
from targets.ray.target import RayTarget
from tests.benchmarks.measuring import floor, median, say
from tests.integration.ray_jobs import make_rig
from tests.rigs.raycluster import Node, RayCluster

COUNT = int(os.environ.get("BENCH_COUNT", "400"))
API_COUNT = 5
GOALS = {"fresh": 80, "fork": 200}
API = """
    import os, sys, time
    from ray.job_submission import JobSubmissionClient
    client = JobSubmissionClient({address!r})
    begun = time.perf_counter()
    command = sys.executable + " " + {script!r}
    jobs = [client.submit_job(entrypoint=command) for _ in range({count})]
    while not all(client.get_job_status(job).is_terminal() for job in jobs):
        time.sleep(0.02)
    print(time.perf_counter() - begun)
"""


class WithDashboard(RayCluster):
    """A cluster that has a dashboard, which Ray's Jobs API is part of."""

    @property
    def dashboard(self) -> str:
        return f"http://127.0.0.1:{self._dashboard_port}"

    def _node(self, address: str, options: list[str]) -> Node:
        wanted = {"--include-dashboard=false": "--include-dashboard=true"}
        return super()._node(address, [wanted.get(option, option) for option in options])


class Ends:
    """Hears of ends as the engine does, so that no poll is in the way."""

    def __init__(self, target: RayTarget) -> None:
        self._seen: dict[str, Observation] = {}
        self._changed = threading.Condition()
        target.watch(self._take)

    def wait(self, jobs: list[Job]) -> None:
        def all_ended() -> bool:
            return all(job.name in self._seen for job in jobs)

        with self._changed:
            assert self._changed.wait_for(all_ended, 300), "not all have ended"
            endings = [self._seen[job.name].evidence for job in jobs]
        assert all(evidence is not None and evidence.ok for evidence in endings)

    def _take(self, seen: Mapping[str, Observation]) -> None:
        ended = {name: one for name, one in seen.items() if one.state is State.EXITED}
        with self._changed:
            self._seen.update(ended)
            self._changed.notify_all()


def fan_out(target: RayTarget, ends: Ends, script: Path, start: str, count: int) -> float:
    """Seconds from the launch until all have ended."""
    nodes = target.capacity().nodes
    made = secrets.token_hex(4)
    jobs = [
        Job(
            f"{made}{k}-1",
            f"{made}{k}",
            1,
            str(script),
            node=nodes[k % len(nodes)].name,
            start=start,
        )
        for k in range(count)
    ]
    begun = time.perf_counter()
    failures = target.launch(jobs)
    ends.wait(jobs)
    took = time.perf_counter() - begun
    assert not failures
    target.remove([job.name for job in jobs])
    return took


def jobs_api(cluster: WithDashboard, script: Path) -> float:
    """Seconds for a few scripts by Ray's own Jobs API."""
    code = API.format(address=cluster.dashboard, script=str(script), count=API_COUNT)
    command = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(command, env=cluster.env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    return float(done.stdout.split()[-1])


def main() -> None:
    cluster = WithDashboard(nodes=2)
    try:
        with tempfile.TemporaryDirectory() as folder, make_rig(cluster, Path(folder)) as rig:
            script = Path(folder) / "run.py"
            script.write_text("")
            rig.nodes(2)
            ends = Ends(rig.target)
            for start, goal in GOALS.items():
                compare(rig.target, ends, script, start, goal)
            latency(rig.target, ends, script)
            rate = API_COUNT / jobs_api(cluster, script)
            say(f"{API_COUNT} scripts by Ray's Jobs API", f"{rate:.2f} runs/s")
    finally:
        cluster.stop()


def compare(target: RayTarget, ends: Ends, script: Path, start: str, goal: int) -> None:
    """One line: the rate, and the ratio to the floor, both measured alternately."""
    fan_out(target, ends, script, start, 20)
    floors: list[float] = []

    def one() -> float:
        floors.append(floor(str(script), COUNT))
        return fan_out(target, ends, script, start, COUNT) / floors[-1]

    ratio = median(one)
    least = sorted(floors)[len(floors) // 2]
    rate, most = COUNT / (ratio * least), COUNT / least
    what = f"{COUNT} scripts on two Ray nodes started {start}"
    say(what, f"{rate:.0f}/s, {ratio:.2f} x floor", f"goal {goal}/s; floor {most:.0f}/s")


def latency(target: RayTarget, ends: Ends, script: Path) -> None:
    for start in GOALS:
        took = median(lambda start=start: fan_out(target, ends, script, start, 1), 15)
        say(f"one script on a Ray node started {start}", f"{took * 1e3:.1f} ms")


if __name__ == "__main__":
    main()
