"""Fan-out of trivial Python scripts on `local`, from the call to all Completed, against the floor.

The floor is posix_spawn of the same interpreter, two at a time, in the same minute. HyperQueue runs
the same scripts where it is installed (`pip install hyperqueue`).
"""

import os
import sys
import tempfile
import time
from pathlib import Path

from dispatcher.client.config import RunConfiguration
from dispatcher.client.run_wait import wait_all
from dispatcher.client.script_run_config import ScriptRunConfig
from tests.benchmarks.house import Bench, bench, floor, median, run, say, which

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
    """One line: the ratio to the floor, both measured alternately."""
    path = Path(made.folder("numpy" if preload else "trivial", script)) / "run.py"
    fan_out(made, script, 20, method, preload)
    least = min(count, 400)
    floors: list[float] = []

    def one() -> float:
        floors.append(floor(str(path), least) * count / least)
        return fan_out(made, script, count, method, preload) / floors[-1]

    ratio = median(one)
    what = f"{count} scripts {'importing numpy ' if preload else ''}started {method}"
    rate = count / (ratio * sorted(floors)[len(floors) // 2])
    say(what, f"{ratio:.2f} x floor ({rate:.0f}/s)", f"goal ≤ {goal} x")


def hyperqueue(count: int) -> None:
    program = which("hq")
    if program is None:
        say(f"{count} scripts by HyperQueue", "not installed", "pip install hyperqueue")
        return
    import subprocess

    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "run.py"
        script.write_text("")
        env = {**os.environ, "HOME": folder}
        server = subprocess.Popen([program, "server", "start"], env=env, stdout=subprocess.DEVNULL)
        run([program, "server", "wait"], env=env)
        worker = subprocess.Popen(
            [program, "worker", "start", "--cpus", "2"], env=env, stdout=subprocess.DEVNULL
        )
        run([program, "worker", "wait", "1"], env=env)
        command = [program, "submit", "--array", f"1-{count}", "--stdout=none", "--stderr=none"]
        started = time.perf_counter()
        run([*command, "--wait", "--", sys.executable, str(script)], env=env, cwd=folder)
        took = time.perf_counter() - started
        least = floor(str(script), 400) * count / 400
        worker.terminate()
        run([program, "server", "stop"], env=env)
        server.wait()
        worker.wait()
    say(f"{count} scripts by HyperQueue", f"{took / least:.2f} x floor", "")


def main() -> None:
    with bench() as made:
        for count in (1000, 5000):
            compare(made, count, "fresh", 1.2)
            compare(made, count, "fork", 0.6)
        compare(made, 400, "fork", 0.15, NUMPY, ("numpy",))
    hyperqueue(1000)


if __name__ == "__main__":
    main()
