"""Control groups: one per job to end all of it at once, and one that holds its memory limit.

The first is cgroup v2 (`cgroup.kill`), where it is mounted and writable; the second is the memory
controller of v2 or v1. Without the first, jobs are ended by a walk over the process tree. Without
the second, memory limits are not enforced (`memory_limits` of the agent's `hello`).
"""

from __future__ import annotations

import contextlib
import os
import time

from dispatcher.agent.cgroup_files import (
    lines_of,
    mounted_hierarchies,
    oom_count,
    own_group,
    own_oom_file,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Iterable, List, Optional

_PROCS = "cgroup.procs"


class Cgroups:
    """The control groups that this machine offers.

    Args:
        home: The v2 group of the agent's own processes, or None without v2.
        kill: The v2 group that gets a child per job, or None where that cannot be.
        memory: The v1 memory group that gets a child per limited job.
        memory_home: The v1 memory group of the agent's own processes.
        limits: Whether the groups below `kill` have v2's memory controller.
        oom_file: Where the kernel counts what it killed for memory in the agent's own group, if
            that has a limit.
    """

    def __init__(
        self,
        home: Optional[str] = None,
        kill: Optional[str] = None,
        memory: Optional[str] = None,
        memory_home: Optional[str] = None,
        limits: bool = False,
        oom_file: Optional[str] = None,
    ) -> None:
        self.home = home
        self.kill = kill
        self.memory = memory
        self.memory_home = memory_home
        self.limits = limits
        self.oom_file = oom_file

    @property
    def can_limit_memory(self) -> bool:
        """Whether a job's memory limit is enforced here."""
        return bool(self.limits or self.memory)

    def as_record(self) -> Dict[str, object]:
        """The constructor's arguments, to send to another process."""
        return dict(vars(self))

    def job(self, name: str, memory_mb: Optional[int]) -> JobGroup:
        """Make the groups of one job; nothing is in them yet."""
        made = JobGroup(self, name, memory_mb if self.can_limit_memory else None)
        made.make()
        return made

    def close(self) -> None:
        """Remove the groups of ended jobs, and the groups that held them if they are empty."""
        for group in (self.kill, self.memory):
            if group:
                _remove_below(group)
                with contextlib.suppress(OSError):
                    os.rmdir(group)

    def existing(self, name: str, told: Optional[str] = None) -> JobGroup:
        """The groups that a job of that name may have left.

        Args:
            name: The job.
            told: The path in the job's lock; it counts only if it is the group of a job.
        """
        group = JobGroup(self, name, None)
        if self.kill and told and os.path.dirname(told) == self.kill:
            group.path = told
        return group

    def oom_kills(self) -> int:
        """How many processes were killed for memory, of all that share the agent's group."""
        return oom_count(self.oom_file) if self.oom_file else 0


def detect(label: str) -> Cgroups:
    """Detect what the machine offers, and make the groups named `label` that hold those of jobs."""
    mounts = mounted_hierarchies()
    found = Cgroups(oom_file=own_oom_file(mounts))
    if "cgroup2" in mounts:
        home = own_group(mounts["cgroup2"], "")
        kill = _make(os.path.join(home, label))
        if kill and os.path.exists(f"{kill}/cgroup.kill"):
            _remove_below(kill)  # what an agent killed before this one has left empty
            found.home, found.kill = home, kill
            found.limits = _enable_memory(home) and _enable_memory(kill)
    if not found.limits and "memory" in mounts:
        memory_home = own_group(mounts["memory"], "memory")
        memory = _make(os.path.join(memory_home, label))
        if memory and os.access(f"{memory}/{_PROCS}", os.W_OK):
            found.memory, found.memory_home = memory, memory_home
    return found


class JobGroup:
    """The groups of one job. Calls on missing groups have no effect."""

    def __init__(self, cgroups: Cgroups, name: str, memory_mb: Optional[int]) -> None:
        self._cgroups = cgroups
        self._limit = memory_mb
        self.path = f"{cgroups.kill}/j-{name}" if cgroups.kill else None
        self._memory = f"{cgroups.memory}/j-{name}" if cgroups.memory else None

    def make(self) -> None:
        """Make them, with the limit set."""
        if self.path and not _make(self.path):
            self.path = None
        if self._limit is None:
            self._memory = None
            return
        text = str(self._limit * 1024 * 1024)
        if self._memory and _make(self._memory):
            _write(f"{self._memory}/memory.limit_in_bytes", text)
            _write(f"{self._memory}/memory.memsw.limit_in_bytes", text)
        elif self.path and self._cgroups.limits:
            _write(f"{self.path}/memory.max", text)
            _write(f"{self.path}/memory.swap.max", "0")

    @property
    def is_limited(self) -> bool:
        """Whether a limit is enforced by it: then nothing of the user's may run outside."""
        return self._limit is not None

    def add(self, pids: Iterable[int]) -> None:
        """Put processes into it, and so what they start from now on.

        The kernel may take milliseconds for that; a job without limits need not wait for it. What
        it has started before that is found by the walk over the process tree.
        """
        if self.path:
            for pid in pids:
                _write(f"{self.path}/{_PROCS}", str(pid))

    def enter(self) -> bool:
        """Put this process, and so what it starts from now on, into the job's groups; whether it is
        in all of them now.
        """
        groups = [group for group in (self.path, self._memory) if group]
        return all(_write(f"{group}/{_PROCS}", "0") for group in groups)

    def leave(self) -> None:
        """Take this process back out."""
        if self.path:
            _write(f"{self._cgroups.home}/{_PROCS}", "0")
        if self._memory:
            _write(f"{self._cgroups.memory_home}/{_PROCS}", "0")

    def members(self) -> List[int]:
        """The processes in it."""
        groups = [group for group in (self.path, self._memory) if group]
        return sorted({pid for group in groups for pid in _pids_in(group)})

    def kill(self) -> None:
        """Send SIGKILL to all processes at once, including those that are just being forked."""
        if self.path:
            _write(f"{self.path}/cgroup.kill", "1")

    def oom_kills(self) -> int:
        """How many processes were killed for memory: of the job, or of all that share its group.

        Compare with the count before the start.
        """
        if self._memory:
            return oom_count(f"{self._memory}/memory.oom_control")
        if self.path and self._limit:
            return oom_count(f"{self.path}/memory.events")
        return self._cgroups.oom_kills()

    def remove(self) -> None:
        """Remove it; what it holds has to be dead."""
        for group in (self.path, self._memory):
            if group:
                _remove(group)


def _enable_memory(group: str) -> bool:
    """Enable v2's memory controller for the children of a group; False if that is refused."""
    if not any("memory" in line.split() for line in lines_of(f"{group}/cgroup.controllers")):
        return False
    return _write(f"{group}/cgroup.subtree_control", "+memory")


def _make(path: str) -> Optional[str]:
    """Make a group, and the one above it if somebody has removed that; None if it cannot be."""
    for missing in (path, os.path.dirname(path), path):
        try:
            os.mkdir(missing)
        except FileNotFoundError:
            continue
        except FileExistsError:
            pass
        except OSError:
            return None
        if missing == path:
            return path
    return None


def _remove(path: str) -> None:
    for pause in (0, 0.001, 0.01, 0.05):  # the dead leave it a moment after they are reaped
        time.sleep(pause)
        try:
            os.rmdir(path)
        except FileNotFoundError:
            return
        except OSError:
            _remove_below(path)
        else:
            return


def _remove_below(path: str) -> None:
    """Remove the groups that the job made inside its own group."""
    with contextlib.suppress(OSError), os.scandir(path) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                _remove_below(entry.path)
                with contextlib.suppress(OSError):
                    os.rmdir(entry.path)


def _pids_in(group: str) -> List[int]:
    return [int(line) for line in lines_of(f"{group}/{_PROCS}") if line.isdigit()]


def _write(path: str, text: str) -> bool:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        os.write(descriptor, text.encode())
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True
