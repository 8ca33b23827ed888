"""Fan-out of trivial Python scripts on `local`, from the call to all Completed, against the floor.

The floor is posix_spawn of the same interpreter, two at a time, in the same minute. HyperQueue runs
the same scripts where it is installed (`pip install hyperqueue`).
"""

import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

from dispatcher.client.v1.configs.run_configuration import RunConfiguration
from dispatcher.client.v1.configs.script_run_config import ScriptRunConfig
from dispatcher.client.v1.runs.waiting import wait_all
from tests.benchmarks.measuring import Bench, bench, floor, median, run, say

HYPERQUEUE = """
import sys, time
from hyperqueue import Job, LocalCluster
from hyperqueue.cluster import WorkerConfig
with LocalCluster() as cluster:
    cluster.start_worker(WorkerConfig(cores=2))
    client, job = cluster.client(), Job()
    for _ in range(int(sys.argv[3])):
        job.program(sys.argv[1:3], stdout=None, stderr=None)
    started = time.perf_counter()
    client.wait_for_jobs([client.submit(job)])
    print(time.perf_counter() - started)
"""
NUMPY = "import numpy\nnumpy.zeros(3)\n"


def fan_out(made: Bench, script: str, count: int, method: str, preload: tuple[str, ...]) -> float:
    """Seconds from the submitting call until all have Completed."""
    source = made.folder("numpy" if preload else "trivial", script)
    configs = []
    for _ in range(count):
        config = RunConfiguration()
        config.target = "bench"
        config.start_method = method
        config.preload = preload
        configs.append(ScriptRunConfig(source, script="run.py", run_config=config))
    started = time.perf_counter()
    runs = made.experiment.submit_all(configs)
    wait_all(runs)
    took = time.perf_counter() - started
    statuses = {one.get_status() for one in runs[:: max(1, count // 20)]}
    assert statuses == {"Completed"}, statuses
    return took


def compare(
    made: Bench,
    count: int,
    method: str,
    goal: float,
    script: str = "",
    preload: tuple[str, ...] = (),
) -> None:
    """One line: the ratio to the floor, which is measured before and after."""
    path = Path(made.folder("numpy" if preload else "trivial", script)) / "run.py"
    fan_out(made, script, 20, method, preload)
    least = min(count, 400)
    floors: list[float] = []

    def one() -> float:
        before = floor(str(path), least)
        took = fan_out(made, script, count, method, preload)
        floors.append((before + floor(str(path), least)) / 2 * count / least)
        return took / floors[-1]

    ratio = median(one)
    what = f"{count} scripts {'importing numpy ' if preload else ''}started {method}"
    rate = count / (ratio * sorted(floors)[len(floors) // 2])
    say(what, f"{ratio:.2f} x floor ({rate:.0f}/s)", f"goal ≤ {goal} x")


def hyperqueue(count: int) -> None:
    """The same script as tasks of HyperQueue, with a worker of two cores."""
    if find_spec("hyperqueue") is None:
        say(f"{count} scripts by HyperQueue", "not installed", "pip install hyperqueue")
        return
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "run.py"
        script.write_text("")
        ratios = []
        for _ in range(3):
            told = run(
                [sys.executable, "-c", HYPERQUEUE, sys.executable, str(script), str(count)],
                cwd=folder,
            )
            ratios.append(float(told.split()[-1]) / (floor(str(script), 400) * count / 400))
    say(f"{count} scripts by HyperQueue", f"{sorted(ratios)[1]:.2f} x floor", "")


def main() -> None:
    with bench() as made:
        for count in (1000, 5000):
            compare(made, count, "fresh", 1.2)
            compare(made, count, "fork", 0.6)
        compare(made, 400, "fork", 0.15, NUMPY, ("numpy",))
    hyperqueue(1000)


if __name__ == "__main__":
    main()
