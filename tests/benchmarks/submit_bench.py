"""`submit_child` in a loop from inside a run, as v1 scripts do: its makespan against the floor and
what one call costs.

The parent submits one child a call and then waits for all of them. The floor is posix_spawn of the
same interpreter, two at a time, measured before and after in the same minute. The data folder must
lie on a disk that syncs: the benchmark refuses tmpfs.
"""

import json
import os
import statistics
from pathlib import Path

from dispatcher.client.v1.configs.run_configuration import RunConfiguration
from dispatcher.client.v1.configs.script_run_config import ScriptRunConfig
from tests.benchmarks.measuring import REPEAT, Bench, bench, floor, percentile, say

COUNT = 400
PARENT = """
import json, sys, time
from dispatcher import Run, RunConfiguration, ScriptRunConfig, wait_all

run = Run.get_context()
count, method, report = int(sys.argv[1]), sys.argv[2], sys.argv[3]
calls, children = [], []
began = time.perf_counter()
for _ in range(count):
    config = RunConfiguration()
    config.target, config.start_method = "bench", method
    started = time.perf_counter()
    children.append(run.submit_child(ScriptRunConfig(".", script="run.py", run_config=config)))
    calls.append(time.perf_counter() - started)
submitted = time.perf_counter() - began
wait_all(children)
seconds = time.perf_counter() - began
statuses = {child.get_status() for child in children[::20]}
assert statuses == {"Completed"}, statuses
with open(report, "w") as file:
    json.dump({"seconds": seconds, "submitted": submitted, "calls": calls}, file)
"""


def require_real_disk(folder: Path) -> None:
    """Raise RuntimeError where the folder is on tmpfs, which does not sync."""
    found, kind = "", ""
    for line in Path("/proc/mounts").read_text().splitlines():
        _, mount, this_kind, *_ = line.split()
        if str(folder.resolve()).startswith(mount) and len(mount) >= len(found):
            found, kind = mount, this_kind
    if kind == "tmpfs":
        raise RuntimeError(f"{folder} is on tmpfs; set TMPDIR to a folder on a disk")


def loop(made: Bench, count: int, method: str) -> tuple[float, float, list[float]]:
    """Makespan, seconds until all were submitted, and the seconds of each call."""
    source = Path(made.folder("loop", ""))
    (source / "parent.py").write_text(PARENT)
    report = made.root / "report.json"
    config = RunConfiguration()
    config.target = "bench"
    arguments = [count, method, os.fspath(report)]
    parent = made.experiment.submit(
        ScriptRunConfig(str(source), script="parent.py", arguments=arguments, run_config=config)
    )
    parent.wait_for_completion()
    measured = json.loads(report.read_text())
    return measured["seconds"], measured["submitted"], measured["calls"]


def compare(made: Bench, method: str, goal: str) -> None:
    """Two lines: the ratio to the floor, and the cost of a call."""
    script = str(Path(made.folder("loop", "")) / "run.py")
    loop(made, 20, method)
    ratios, shares, calls = [], [], []
    for _ in range(REPEAT):
        before = floor(script, COUNT)
        seconds, submitted, these = loop(made, COUNT, method)
        least = (before + floor(script, COUNT)) / 2
        ratios.append(seconds / least)
        shares.append(submitted / least)
        calls += these
    ratio, share = statistics.median(ratios), statistics.median(shares)
    what = f"{COUNT} submit_child in a loop, started {method}"
    say(what, f"{ratio:.2f} x floor ({share:.2f} submitting)", goal)
    p50, p99 = percentile(calls, 0.5) * 1e3, percentile(calls, 0.99) * 1e3
    say("  one call", f"p50 {p50:.2f}, p99 {p99:.1f} ms", "goal p50 ≤ 3 ms")


def main() -> None:
    with bench() as made:
        require_real_disk(made.root)
        compare(made, "fresh", "goal ≤ 1.25 x")
        compare(made, "fork", "")


if __name__ == "__main__":
    main()
