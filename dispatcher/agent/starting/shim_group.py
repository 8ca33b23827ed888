"""The control group of a shim that has one job after the other.

Processes that the shim starts are in its group from the first instant. Moving a process to another
group takes the kernel milliseconds, in which no process of the machine starts or ends. So the shim
is moved once and not for every job. Killing the whole group costs a second move: the shim leaves
the group first.
"""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterable, List, Optional

    from dispatcher.agent.cgroups import Cgroups, JobGroup


class ShimGroup:
    """The group of one shim, used by its jobs one after the other.

    Args:
        cgroups: The machine's control groups.

    Attributes:
        is_limited: Always False: a job with a memory limit gets a group of its own.
    """

    is_limited = False

    def __init__(self, cgroups: Cgroups) -> None:
        self._cgroups = cgroups
        self._pid = os.getpid()
        self._group: Optional[JobGroup] = None
        self._has_left = False

    @property
    def path(self) -> Optional[str]:
        """The group's folder."""
        return None if self._group is None else self._group.path

    def enter(self) -> None:
        """Enter the group, unless the shim is in it."""
        if self._group is None:
            group = self._cgroups.job(f"shim-{self._pid}-{time.monotonic_ns()}", None)
            if group.path is not None and group.enter():
                self._group = group

    def add(self, pids: Iterable[int]) -> None:
        """Has no effect: processes of the shim are in the group already."""

    def members(self) -> List[int]:
        """The processes in it, without the shim."""
        group = self._group
        return [] if group is None else [pid for pid in group.members() if pid != self._pid]

    def leave(self) -> None:
        """Move the shim out of the group, so that the group can be killed."""
        if self._group is not None:
            self._group.leave()
            self._has_left = self._pid not in self._group.members()

    def kill(self) -> None:
        """Send SIGKILL to all processes at once, including those that are just being forked."""
        self.leave()
        if self._group is not None and self._has_left:
            self._group.kill()

    def oom_kills(self) -> int:
        """How many processes were killed for memory, of all that share the agent's group."""
        return self._cgroups.oom_kills()

    def remove(self) -> None:
        """Clean up after a job. The group is removed only if the shim has left it."""
        if self._has_left:
            self.end()

    def end(self) -> None:
        """Remove the group."""
        if self._group is not None:
            self._group.leave()
            self._group.remove()
            self._group = None
            self._has_left = False
