"""The lease: a node that is cut off from its service must end jobs that may be started elsewhere.

The lease uses the clock that also runs while the machine is suspended. While the agent holds the
lease it writes the time until which jobs may run into the file `lease`. Every shim ends its job at
that time, so the jobs of a dead agent end as well.
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
        root: Holds the lease file.
    """

    def __init__(self, root: Root) -> None:
        self._path = root.lease
        self._lock = threading.Lock()
        self._seconds: Optional[float] = None
        self._renewed = 0.0

    def set(self, seconds: Optional[float]) -> bool:
        """Begin a lease of some seconds; None ends it. Returns whether the length changed."""
        before, self._seconds = self._seconds, None if seconds is None else float(seconds)
        self.renew()
        if self._seconds is None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._path)
        return before != self._seconds

    def renew(self) -> None:
        """Restart the lease now."""
        self._renewed = time.clock_gettime(_CLOCK)
        if self._seconds is not None:
            self._write(self._renewed + self._seconds)

    def keep(self) -> bool:
        """Extend the time in the file; False once the lease has expired."""
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
