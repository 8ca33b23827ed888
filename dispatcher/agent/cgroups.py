"""Control groups: one per job to end all its processes at once, and one for its memory limit.

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
        kill: The v2 group that gets a child per job, or None if it cannot be created.
        memory: The v1 memory group that gets a child per limited job.
        memory_home: The v1 memory group of the agent's own processes.
        limits: Whether the groups below `kill` have v2's memory controller.
        oom_file: The file with the number of OOM kills in the agent's own group, if that has a
            limit.
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
        """Create the empty groups of one job."""
        group = JobGroup(self, name, memory_mb if self.can_limit_memory else None)
        group.make()
        return group

    def close(self) -> None:
        """Remove the groups of ended jobs, and the groups that held them if they are empty."""
        for group in (self.kill, self.memory):
            if group:
                _remove_below(group)
                with contextlib.suppress(OSError):
                    os.rmdir(group)

    def existing(self, name: str, path: Optional[str] = None) -> JobGroup:
        """The cgroups of a job that an earlier agent may have created.

        Args:
            name: The job.
            path: The path in the job's lock; it is used only if it is the group of a job.
        """
        group = JobGroup(self, name, None)
        if self.kill and path and os.path.dirname(path) == self.kill:
            group.path = path
        return group

    def oom_kills(self) -> int:
        """The number of OOM kills of all processes that share the agent's group."""
        return oom_count(self.oom_file) if self.oom_file else 0


def detect(label: str) -> Cgroups:
    """Detect the machine's cgroups, and create the groups `label` above those of jobs."""
    mounts = mounted_hierarchies()
    cgroups = Cgroups(oom_file=own_oom_file(mounts))
    if "cgroup2" in mounts:
        home = own_group(mounts["cgroup2"], "")
        kill = _make(os.path.join(home, label))
        if kill and os.path.exists(f"{kill}/cgroup.kill"):
            _remove_below(kill)  # what an agent killed before this one has left empty
            cgroups.home, cgroups.kill = home, kill
            cgroups.limits = _enable_memory(home) and _enable_memory(kill)
    if not cgroups.limits and "memory" in mounts:
        memory_home = own_group(mounts["memory"], "memory")
        memory = _make(os.path.join(memory_home, label))
        if memory and os.access(f"{memory}/{_PROCS}", os.W_OK):
            cgroups.memory, cgroups.memory_home = memory, memory_home
    return cgroups


class JobGroup:
    """The groups of one job. Calls on missing groups have no effect."""

    def __init__(self, cgroups: Cgroups, name: str, memory_mb: Optional[int]) -> None:
        self._cgroups = cgroups
        self._limit = memory_mb
        self.path = f"{cgroups.kill}/j-{name}" if cgroups.kill else None
        self._memory = f"{cgroups.memory}/j-{name}" if cgroups.memory else None

    def make(self) -> None:
        """Create the groups and set the limit."""
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
        """Whether the group enforces a limit; then all of the user's processes must be inside."""
        return self._limit is not None

    def add(self, pids: Iterable[int]) -> None:
        """Move processes into the group; their later children start inside.

        The kernel may take milliseconds for that, and a job without limits need not wait for it.
        The walk over the process tree finds children that started before the move.
        """
        if self.path:
            for pid in pids:
                _write(f"{self.path}/{_PROCS}", str(pid))

    def enter(self) -> bool:
        """Move this process into the job's groups; return whether it is in all of them.

        Its later children start inside.
        """
        groups = [group for group in (self.path, self._memory) if group]
        return all(_write(f"{group}/{_PROCS}", "0") for group in groups)

    def leave(self) -> None:
        """Move this process back to the agent's own groups."""
        if self.path:
            _write(f"{self._cgroups.home}/{_PROCS}", "0")
        if self._memory:
            _write(f"{self._cgroups.memory_home}/{_PROCS}", "0")

    def members(self) -> List[int]:
        """The processes in the groups."""
        groups = [group for group in (self.path, self._memory) if group]
        return sorted({pid for group in groups for pid in _pids_in(group)})

    def kill(self) -> None:
        """Send SIGKILL to all processes at once, including those that are just being forked."""
        if self.path:
            _write(f"{self.path}/cgroup.kill", "1")

    def oom_kills(self) -> int:
        """The number of OOM kills: of the job, or of all processes that share its group.

        Compare with the count before the start.
        """
        if self._memory:
            return oom_count(f"{self._memory}/memory.oom_control")
        if self.path and self._limit:
            return oom_count(f"{self.path}/memory.events")
        return self._cgroups.oom_kills()

    def remove(self) -> None:
        """Remove the groups. Their processes must have ended."""
        for group in (self.path, self._memory):
            if group:
                _remove(group)


def _enable_memory(group: str) -> bool:
    """Enable v2's memory controller for the children of a group; False if that is refused."""
    if not any("memory" in line.split() for line in lines_of(f"{group}/cgroup.controllers")):
        return False
    return _write(f"{group}/cgroup.subtree_control", "+memory")


def _make(path: str) -> Optional[str]:
    """Create a group, and its parent if that was removed; None if the kernel refuses."""
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
    """Remove the groups that the job created inside its own group."""
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
