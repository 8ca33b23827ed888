"""Watches the processes of one job until none is alive, and ends them on request or at a limit.

The shim is the subreaper of its job: a process below that daemonises becomes its child. So a job is
gone exactly when `waitpid` reports that there is no child. Until then the watch goes on without a
limit, because a process that cannot be killed still holds its devices.
"""

from __future__ import annotations

import os
import signal
import time

from dispatcher.agent import processes
from dispatcher.agent.folders import read_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Mapping, Optional, Union

    from dispatcher.agent.cgroups import JobGroup
    from dispatcher.agent.job_place import JobPlace
    from dispatcher.agent.starting.shim_group import ShimGroup

# Blocked in the shim and waited for, so that no signal is lost or interrupts a call.
WAKING = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
LEFTOVER_GRACE = 2.0
PLACE_SECONDS = 5.0  # so often it is checked whether the job's folder was moved or deleted
_RECEIPTS = 1000
_CLOCK_BOOTTIME = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class ProcessWatch:
    """The processes of one job.

    Args:
        leaders: Process id → rank, of the processes that were started.
        group: The job's control group.
        job: The job: its time limit and grace.
        place: The job's folder, in which a request to stop is a file, and the root with the file
            that has the end of the agent's lease.
        alone: Whether a SIGTERM without a request, as `docker stop` sends it, ends this job. A shim
            that has one job after the other may receive one that was sent for the job before.
    """

    def __init__(
        self,
        leaders: Dict[int, int],
        group: Union[JobGroup, ShimGroup],
        job: Mapping[str, Any],
        place: JobPlace,
        alone: bool = False,
    ) -> None:
        self.ended: Dict[int, int] = {}  # rank → wait status
        self.failed_rank: Optional[int] = None
        self.reason: Optional[str] = (
            None  # why the shim ended the job; None: the job ended without that
        )
        self.receipt: List[Dict[str, Any]] = []
        self._leaders = leaders
        self._group = group
        self._place = place
        self._alone = alone
        self._grace = float(10 if job.get("grace") is None else job["grace"])
        limit = job.get("time_limit")
        self._deadline = None if limit is None else time.monotonic() + float(limit)
        self._kill_at: Optional[float] = None
        self._pause = 0.01
        self._stop_asked = True  # a request may have been left before signals were received
        self._fence_at: Optional[float] = None

    def until_gone(self) -> None:
        """Return once no process of the job is alive."""
        self._look_at_lease()
        while self._reap():
            now = time.monotonic()
            self._decide(now)
            if self._kill_at is not None and now >= self._kill_at:
                self._kill()
                if not self._reap():
                    return
            self._sleep()

    def _reap(self) -> bool:
        """Collect ended processes; False once there is none left."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            rank = self._leaders.pop(pid, None)
            if rank is not None:
                self.ended[rank] = status
                if status and self.failed_rank is None and self._kill_at is None:
                    self.failed_rank = rank

    def _decide(self, now: float) -> None:
        if not self._leaders:
            self._end(None, LEFTOVER_GRACE, now)
        elif self.failed_rank is not None:
            self._end(None, self._grace, now)
        if self._stop_asked:
            self._stop_asked = False
            self._place.follow()
            request = read_json(f"{self._place.folder}/stop")
            if request is not None:
                self._end("stopped", float(request.get("grace", self._grace)), now)
        if self._place.is_deleted:
            self._end("folder deleted", 0, now)
        if self._deadline is not None and now >= self._deadline:
            self._deadline = None
            self._end("time limit", self._grace, now)
        if self._fence_at is not None and _boot_clock() >= self._fence_at:
            self._look_at_lease()
            if self._fence_at is not None and _boot_clock() >= self._fence_at:
                self._fence_at = None
                self._end("fenced", 0, now)

    def _end(self, reason: Optional[str], grace: float, now: float) -> None:
        """Send SIGTERM now, SIGKILL after the grace; a second call can only shorten the grace."""
        if self._kill_at is None:
            self.reason = reason
            self._kill_at = now + grace
            if grace > 0:
                living = self._living()
                self._signal(living, signal.SIGTERM)
                processes.send(
                    living, signal.SIGCONT
                )  # a stopped process would not receive SIGTERM
        else:
            self._kill_at = min(self._kill_at, now + grace)

    def _kill(self) -> None:
        """Send SIGKILL to all processes, repeatedly until a walk finds no new one."""
        signaled = set()
        for _ in range(50):
            new = [pid for pid in self._living() if pid not in signaled]
            if not new:
                break
            signaled.update(new)
            self._signal(new, signal.SIGKILL)
            self._group.kill()
        self._kill_at = time.monotonic() + self._pause
        self._pause = min(1.0, self._pause * 2)

    def _living(self) -> List[int]:
        below = processes.descendants(os.getpid())
        return [pid for pid in {*below, *self._group.members()} if processes.is_alive(pid)]

    def _signal(self, pids: List[int], number: int) -> None:
        at = time.time()
        reached = processes.send(pids, number)[: max(0, _RECEIPTS - len(self.receipt))]
        self.receipt += [{"pid": pid, "signal": int(number), "at": at} for pid in reached]

    def _sleep(self) -> None:
        due = [at for at in (self._deadline, self._kill_at) if at is not None]
        pause = max(0.0, min(due) - time.monotonic()) if due else PLACE_SECONDS
        pause = min(pause, PLACE_SECONDS)
        if self._fence_at is not None:
            pause = min(pause, max(0.0, self._fence_at - _boot_clock()))
        received = signal.sigtimedwait(WAKING, pause)
        if received is None:
            self._place.follow()
            return
        if received.si_signo == signal.SIGCHLD:
            return
        if received.si_signo == signal.SIGUSR1:
            self._look_at_lease()
            return
        self._stop_asked = True
        if self._alone and not os.path.exists(f"{self._place.folder}/stop"):
            self._stop_asked = False
            self._end("stopped", self._grace, time.monotonic())

    def _look_at_lease(self) -> None:
        """Read the time at which the job must end unless the agent renews the lease."""
        lease = read_json(self._place.root.lease)
        self._fence_at = None if lease is None else float(lease["until"])


def _boot_clock() -> float:
    """Seconds since the boot, those spent suspended included."""
    return time.clock_gettime(_CLOCK_BOOTTIME)
