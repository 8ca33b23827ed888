"""The control group of a shim that has one job after the other.

What the shim starts is in its group from its first instant. The kernel needs milliseconds to put a
process into another group, in which nothing starts or ends anywhere on the machine: so a shim pays
that once, not for every job. Only who has to be killed at once costs it again: the shim leaves
before it kills all that is in it.
"""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterable, List, Optional

    from dispatcher.agent.cgroups import Cgroups, JobGroup


class ShimGroup:
    """One shim's group; its jobs have it in turn.

    Args:
        cgroups: What control groups can do here.

    Attributes:
        is_limited: Whether it limits memory: never, a job with a limit gets a group of its own.
    """

    is_limited = False

    def __init__(self, cgroups: Cgroups) -> None:
        self._cgroups = cgroups
        self._pid = os.getpid()
        self._group: Optional[JobGroup] = None
        self._has_left = False

    @property
    def path(self) -> Optional[str]:
        """Its folder."""
        return None if self._group is None else self._group.path

    def enter(self) -> None:
        """Be in it, with the next job."""
        if self._group is None:
            made = self._cgroups.job(f"shim-{self._pid}-{time.monotonic_ns()}", None)
            if made.path is not None and made.enter():
                self._group = made

    def add(self, pids: Iterable[int]) -> None:
        """What the shim starts is in it already."""

    def members(self) -> List[int]:
        """The processes in it, without the shim."""
        group = self._group
        return [] if group is None else [pid for pid in group.members() if pid != self._pid]

    def leave(self) -> None:
        """Take the shim out of it; it can be killed now."""
        if self._group is not None:
            self._group.leave()
            self._has_left = self._pid not in self._group.members()

    def kill(self) -> None:
        """SIGKILL to all of the job at once, those included that are being forked just now."""
        self.leave()
        if self._group is not None and self._has_left:
            self._group.kill()

    def oom_kills(self) -> int:
        """How many processes were killed for memory, of all that share the agent's group."""
        return self._cgroups.oom_kills()

    def remove(self) -> None:
        """The job is over. Only a group that the shim has left has to go."""
        if self._has_left:
            self.end()

    def end(self) -> None:
        """The shim needs it no more."""
        if self._group is not None:
            self._group.leave()
            self._group.remove()
            self._group = None
            self._has_left = False
