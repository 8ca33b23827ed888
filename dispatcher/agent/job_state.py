"""The state of a job by the disk and the process table, without any memory of an agent."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import time

from dispatcher.agent import processes
from dispatcher.agent.exit_records import refusal
from dispatcher.agent.folders import Root, make_folder, read_json, write_json
from dispatcher.wire.process_identity import boot_id, start_ticks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional, Set

    from dispatcher.agent.cgroups import Cgroups

ABSENT, CREATED, ALIVE, EXITED, REMOVED = "absent", "created", "alive", "exited", "removed"
LOST = "lost"  # claimed, its shim is gone, and there is no exit record


class JobState:
    """The state of one job.

    Attributes:
        state: absent, created (its shim waits for a GPU), alive, exited, removed or lost.
        record: The exit record, if there is one.
        started: The fields that the shim wrote into the lock when it started the job.
    """

    def __init__(
        self,
        state: str,
        record: Optional[Dict[str, Any]] = None,
        started: Optional[Dict[str, Any]] = None,
    ) -> None:
        self.state = state
        self.record = record
        self.started = started or {}


def look(root: Root, name: str) -> JobState:
    """Read the state of a job. Changes nothing, and does not disturb a job that is starting."""
    if not root.is_claimed(name):
        return JobState(ABSENT)
    folder = root.job(name)
    if not os.path.isdir(folder):
        return JobState(REMOVED)
    started = read_json(f"{folder}/lock")
    record = read_json(f"{folder}/exit.json")
    if record is None and not is_shim_alive(folder):
        record = read_json(f"{folder}/exit.json")  # the shim may just have written it
        if record is None:
            return JobState(LOST, None, read_json(f"{folder}/lock"))
    if record is not None:
        return JobState(EXITED, record, started)
    return JobState(CREATED if (started or {}).get("waits") else ALIVE, None, started)


def is_shim_alive(folder: str) -> bool:
    """Whether a shim holds the lock of a claimed job; the check takes the lock briefly."""
    try:
        lock = os.open(f"{folder}/lock", os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def withdraw(root: Root, name: str, reason: str, tail: str = "") -> bool:
    """Withdraw a job that has not started, so that it never will; False if its shim was faster.

    The claim is taken under the job's lock, as a shim does it, so no reader sees a claimed job
    without an exit record.
    """
    folder = root.job(name)
    make_folder(folder)
    lock = os.open(f"{folder}/lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not root.claim(name, f"{folder}/lock"):
            return False
        write_json(f"{folder}/exit.json", {**refusal(reason), "tail": tail}, durable=True)
    except BlockingIOError:
        return False
    finally:
        os.close(lock)
    return True


def signal_shim(folder: str, number: int) -> None:
    """Signal the shim of a claimed job, if the shim is alive."""
    pid = (read_json(f"{folder}/lock") or {}).get("shim")
    with contextlib.suppress(OSError):
        if pid and is_shim_alive(folder):
            os.kill(int(pid), number)


def end_leftovers(root: Root, name: str, cgroups: Cgroups) -> list[dict[str, Any]]:
    """Kill the processes that a dead shim has left; return the signals once all have ended."""
    receipt: Dict[int, Dict[str, Any]] = {}
    started = read_json(f"{root.job(name)}/lock") or {}
    group = cgroups.existing(name, started.get("cgroup"))
    pause = 0.005
    while True:
        group.kill()
        leftovers = _leftovers(root, name)
        leftovers.update(pid for pid in group.members() if processes.is_alive(pid))
        if not leftovers:
            group.remove()
            return list(receipt.values())
        at = time.time()
        for pid in processes.send(leftovers, signal.SIGKILL):
            receipt.setdefault(pid, {"pid": pid, "signal": int(signal.SIGKILL), "at": at})
        time.sleep(pause)
        pause = min(1.0, pause * 2)


def _leftovers(root: Root, name: str) -> Set[int]:
    """The job's processes by id and start time, session, descent and the environment's mark."""
    folder = root.job(name)
    started = read_json(f"{folder}/lock") or {}
    leaders = set()
    if started.get("boot_id") == boot_id():
        for pid, ticks in (started.get("ticks") or {}).items():
            if start_ticks(int(pid)) == ticks:
                leaders.add(int(pid))
        leaders.update(processes.session_members({int(pid) for pid in started.get("pids", ())}))
    pids = set(leaders)
    for pid in leaders:
        pids.update(processes.descendants(pid))
    pids.update(processes.marked(f"DISPATCHER_JOB_DIR={folder}"))
    pids.discard(os.getpid())
    return {pid for pid in pids if processes.is_alive(pid)}
