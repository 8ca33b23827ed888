"""SIGKILL at an exact system call of one thread of the service or an agent, by strace.

strace counts calls for each thread by itself, so a point names the thread too. The signal comes on
entering the call: the kill falls between the call before it and this one.
"""

import os
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.rigs import missing
from tests.rigs.waiting import until

PATCHES = Path(__file__).parent / "patches"
NAMED = PATCHES / "named"

# What leaves the process: to the disk, to an agent, an engine, a database or a client, or as a new
# process. Waking its own event loop (a byte to itself) is one too: between a commit and that byte
# waiters do not know yet.
ON_DISK = ("fdatasync", "fsync", "ftruncate", "pwrite64", "pwritev", "write")
NAMES = ("link", "linkat", "mkdir", "mkdirat", "rename", "renameat", "renameat2", "rmdir",
         "symlink", "unlink", "unlinkat")  # fmt: skip
OUTSIDE = ("connect", "kill", "sendmsg", "sendto")
DURABLE = (*ON_DISK, *NAMES, *OUTSIDE)
LAUNCHING = ("clone", "clone3", "fork", "vfork")  # an `execve` is not made by the service any more


@dataclass(frozen=True)
class Point:
    """The `n`th such call of that thread; of any thread, in a service that is just starting.

    An agent's threads have no names: they are told apart by their order, `#0`, `#1`, …
    """

    phase: str  # serve | recover | cold | agent
    thread: str
    call: str
    n: int

    def __str__(self) -> str:
        return f"{self.phase}:{self.thread or '*'}:{self.call}:{self.n}"


@contextmanager
def killing(pid: int, point: Point) -> Iterator[None]:
    """While it holds, the process is killed when it comes to the point."""
    inject = f"inject={point.call}:signal=SIGKILL:when={point.n}"
    with tracing(pid, point.thread, inject):
        yield


@contextmanager
def tracing(pid: int, thread: str, inject: str) -> Iterator[None]:
    """While it holds, strace does that to the threads of this name; to all for an empty one."""
    call = inject.split("=")[1].split(":")[0]
    options = ["-e", f"trace={call}", "-e", inject, "-o", "/dev/null"]
    tracer = _attach(pid, thread, options)
    try:
        yield
    finally:
        _detach(tracer)


@contextmanager
def counting(pid: int, folder: Path, phase: str, found: Counter[Point]) -> Iterator[None]:
    """Count the calls that are made while it holds: of the threads of one name, the most that one
    of them makes. `n` is 0 in what is found. What is counted is written to the folder.
    """
    path = folder / f"calls-{phase}"
    order = {task: f"#{k}" for k, task in enumerate(_threads(pid, ""))}
    options = ["-Y", "-e", f"trace={','.join((*DURABLE, *LAUNCHING))}", "-o", str(path)]
    tracer = _attach(pid, "", options)
    try:
        yield
    finally:
        _detach(tracer)
    each: Counter[tuple[str, str, str]] = Counter()
    for line in path.read_text(errors="replace").splitlines():
        match = re.match(r"(\d+)(?:<([^>]*)>)?\s+(\w+)\(", line)
        if match:
            name = order.get(int(match[1]), "") if phase == "agent" else match[2] or match[1]
            each[match[1], name, match[3]] += 1
    for (_, thread, call), n in each.items():
        point = Point(phase, thread, call, 0)
        found[point] = max(found[point], n)


def _attach(pid: int, thread: str, options: list[str]) -> "subprocess.Popen[bytes]":
    tasks = [str(task) for task in _threads(pid, thread)]
    whole = [] if thread else ["-f", "-b", "execve"]  # its threads, and not what it starts
    which = [word for task in tasks for word in ("-p", task)] if thread else ["-p", str(pid)]
    command = [missing.program("strace", "strace"), *whole, "-qq", *which, *options]
    tracer = subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)
    until(lambda: _all_traced(pid, tasks) or tracer.poll() is not None, "strace has attached")
    return tracer


def _detach(tracer: "subprocess.Popen[bytes]") -> None:
    with suppress(ProcessLookupError):
        tracer.terminate()
    tracer.wait(timeout=30)


def _threads(pid: int, thread: str) -> list[int]:
    """The threads of that name or of that place in their order; all of them for an empty one."""
    found = []
    for k, task in enumerate(sorted(map(int, os.listdir(f"/proc/{pid}/task")))):
        with suppress(OSError):
            name = Path(f"/proc/{pid}/task/{task}/comm").read_text().strip()
            main = "main" if task == pid else name
            if not thread or thread in (name, main, f"#{k}"):
                found.append(task)
    return found


def _all_traced(pid: int, tasks: list[str]) -> bool:
    for task in tasks:
        with suppress(OSError):
            status = Path(f"/proc/{pid}/task/{task}/status").read_text()
            if "TracerPid:\t0\n" in status:
                return False
    return True
