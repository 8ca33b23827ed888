"""How soon a waiter knows, how fast runs are accepted, what an idle service costs, and flatness."""

import os
import time
from pathlib import Path

from dispatcher.client.v1.configs.run_configuration import RunConfiguration
from dispatcher.client.v1.configs.script_run_config import ScriptRunConfig
from dispatcher.client.v1.runs.waiting import wait_all
from tests.benchmarks.measuring import Bench, bench, median, percentile, say

# Ends at once: the interpreter's own end, some milliseconds, is not the product's.
TELL = """
import os, sys, time
with open(sys.argv[1], "w") as file:
    file.write(repr(time.time()))
os._exit(0)
"""


def config(source: str, *arguments: str, method: str = "auto") -> ScriptRunConfig:
    run_config = RunConfiguration()
    run_config.target = "bench"
    run_config.start_method = method
    return ScriptRunConfig(
        source, script="run.py", arguments=list(arguments), run_config=run_config
    )


def exit_to_wait(made: Bench, count: int = 60) -> None:
    """From the process's exit to the return of wait_for_completion in the client."""
    source = made.folder("tell", TELL)
    waits = []
    for k in range(count):
        told = made.root / f"t{k}"
        made.experiment.submit(config(source, str(told), method="fresh")).wait_for_completion()
        waits.append((time.time() - float(told.read_text())) * 1000)
    say("process exit → wait returns, p50", f"{percentile(waits, 0.5):.1f} ms", "goal ≤ 5 ms")
    say("process exit → wait returns, p99", f"{percentile(waits, 0.99):.1f} ms", "goal ≤ 25 ms")


def accept(made: Bench, count: int = 10_000) -> None:
    """Children accepted in one call, the runs then cancelled."""
    source = made.folder("trivial", "")
    configs = [config(source) for _ in range(count)]
    with made.experiment.start_logging(outputs=False, snapshot_directory=None) as parent:

        def one() -> float:
            started = time.perf_counter()
            children = parent.submit_children(configs)
            took = time.perf_counter() - started
            assert len(children) == count
            parent_cancel(made, parent.id)
            return took

        say(f"{count} children accepted in one call", f"{median(one):.2f} s", "goal ≤ 2 s")


def parent_cancel(made: Bench, parent_id: str) -> None:
    service = made.workspace.service
    query: list[tuple[str, str | int]] = [("parent", parent_id), ("status", "Queued")]
    while found := service.get("/runs", [*query, ("limit", 1000)])["runs"]:
        for record in found:
            service.post(f"/runs/{record['id']}/cancel")


def flatness(made: Bench) -> None:
    """Cost per run with 200 and with 10,000 runs in one fan-out."""
    source = made.folder("trivial", "")
    costs = {}
    for count in (200, 10_000):
        started = time.perf_counter()
        wait_all(made.experiment.submit_all([config(source, method="fork")] * count))
        costs[count] = (time.perf_counter() - started) / count * 1000
    ratio = costs[10_000] / costs[200]
    value = f"{costs[200]:.1f} → {costs[10_000]:.1f} ms ({ratio:.2f} x)"
    say("cost per run, 200 → 10,000 runs", value, "goal flat")


def idle(made: Bench, seconds: float = 10) -> None:
    """Memory and CPU of the service when nothing happens."""
    pid = made.pid()
    before = cpu_seconds(pid)
    time.sleep(seconds)
    share = (cpu_seconds(pid) - before) / seconds * 100
    status = Path(f"/proc/{pid}/status").read_text()
    rss = next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]
    say("idle service, memory", f"{int(rss) // 1024} MB", "goal ≤ 150 MB")
    say("idle service, CPU", f"{share:.2f} %", "goal < 1 %")


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    with bench() as made:
        exit_to_wait(made)
        idle(made)
        accept(made)
    with bench() as made:
        flatness(made)


if __name__ == "__main__":
    main()
