"""The lease: a node that is cut off from its service must not go on with jobs that were given away.

It is counted on the clock that goes on while the machine is suspended. The agent keeps the file
`lease` ahead of time while it holds the lease; every shim ends its job when that time has passed,
so the jobs of a dead agent end as well.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time

from dispatcher.agent.folders import Root, write_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Lease:
    """The agent's lease; none until `set`.

    Args:
        root: Where its file lies.
    """

    def __init__(self, root: Root) -> None:
        self._path = root.lease
        self._lock = threading.Lock()
        self._seconds: Optional[float] = None
        self._renewed = 0.0

    def set(self, seconds: Optional[float]) -> bool:
        """Begin a lease of so many seconds, now; None: there is none. Says whether that is new."""
        before, self._seconds = self._seconds, None if seconds is None else float(seconds)
        self.renew()
        if self._seconds is None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._path)
        return before != self._seconds

    def renew(self) -> None:
        """Hold it from now on."""
        self._renewed = time.clock_gettime(_CLOCK)
        if self._seconds is not None:
            self._write(self._renewed + self._seconds)

    def keep(self) -> bool:
        """Tell the shims that the agent lives; False once the lease has run out."""
        if self._seconds is None:
            return True
        now = time.clock_gettime(_CLOCK)
        if now < self._renewed + self._seconds:
            self._write(now + self._seconds)
            return True
        self._write(0.0)
        return False

    def _write(self, until: float) -> None:
        with self._lock:
            write_json(self._path, {"until": until})
