"""What the benchmarks share: a workspace with a service of its own, the floor, and how to print."""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dispatcher.client.v1.workspaces.experiment import Experiment
from dispatcher.client.v1.workspaces.workspace import Workspace
from dispatcher.wire import encoding

REPEAT = int(os.environ.get("BENCH_REPEAT", "3"))
SLOTS = float(os.environ.get("SLOTS") or os.cpu_count() or 1)  # as a target has by default


class Bench:
    """A workspace in a temporary folder, with a local target `bench`."""

    def __init__(self, root: Path, slots: float) -> None:
        os.environ["DISPATCHER_HOME"] = str(root / "home")
        self.root = root
        self.workspace = Workspace.create("bench", path=str(root / "ws"))
        self.attach("bench", kind="local", cpus=slots)
        self.experiment = Experiment(self.workspace, "bench")

    def attach(self, name: str, **config: Any) -> None:
        body = encoding.dumps({"name": name, **config})
        self.workspace.service.send("PUT", f"/targets/{name}", body=body)

    def folder(self, name: str, script: str) -> str:
        """A source folder with one script, `run.py`."""
        path = self.root / name
        path.mkdir(exist_ok=True)
        (path / "run.py").write_text(script)
        return str(path)

    def pid(self) -> int:
        facts = json.loads((self.root / "ws" / ".dispatcher" / "service.json").read_text())
        return int(facts["pid"])

    def stop(self) -> None:
        os.kill(self.pid(), 15)
        facts = self.root / "ws" / ".dispatcher" / "service.json"
        deadline = time.monotonic() + 20
        while facts.exists() and time.monotonic() < deadline:
            time.sleep(0.02)


@contextmanager
def bench(slots: float = SLOTS) -> Iterator[Bench]:
    """A workspace of its own for one benchmark; its service is stopped at the end."""
    root = Path(tempfile.mkdtemp(prefix="bench-"))
    made = Bench(root, slots)
    try:
        yield made
    finally:
        made.stop()
        shutil.rmtree(root, ignore_errors=True)


def floor(script: str, count: int) -> float:
    """Seconds for `count` starts of this interpreter, two at a time: the least there is."""
    started, live, begun = time.perf_counter(), 0, 0
    while begun < count or live:
        while live < 2 and begun < count:
            os.posix_spawn(sys.executable, [sys.executable, script], os.environ)
            live, begun = live + 1, begun + 1
        os.wait()
        live -= 1
    return time.perf_counter() - started


def median(measure: Callable[[], float], times: int = REPEAT) -> float:
    return statistics.median(measure() for _ in range(times))


def percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def say(what: str, value: str, goal: str = "") -> None:
    """One line of a report."""
    print(f"{what:<66} {value:>24}  {goal}", flush=True)


def run(command: Sequence[str], **options: Any) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=True, **options)
    return done.stdout
