"""The locks of a machine's GPUs: a job holds those of its GPUs from before its start to its end.

Targets of one machine may name the same GPU, in one workspace or in several, of one user or of
several. None of their services knows all the others, so the machine itself decides: each GPU has a
file, and the shim of a job takes its advisory lock (flock). The kernel frees the lock when the shim
ends, however it ends.
"""

from __future__ import annotations

import fcntl
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Iterable, List


class DeviceLocks:
    """The locks of one job, taken all together or not at all.

    Args:
        paths: The files. They exist; the job's user may only read them.
    """

    def __init__(self, paths: Iterable[str]) -> None:
        self._paths = sorted(set(paths))
        self._held: List[int] = []

    def take(self) -> bool:
        """Take all of them; False, and none is held, if another job holds one.

        Raises:
            OSError: A file cannot be opened.
        """
        for path in self._paths:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            self._held.append(descriptor)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self.release()
                return False
        return True

    def wait(self, pause: Callable[[], bool]) -> bool:
        """Take all of them as soon as they are free.

        Args:
            pause: Called between two attempts; returns whether the job is still to start.

        Returns:
            Whether they are held.
        """
        while not self.take():
            if not pause():
                return False
        return True

    def release(self) -> None:
        """Give them back. The end of the process does so, too."""
        while self._held:
            os.close(self._held.pop())
