"""Where the folder of a running job is: a user may move or delete what lies around it."""

from __future__ import annotations

import os

from dispatcher.agent.folders import Root

DELETED = " (deleted)"  # the kernel's mark behind the path of a deleted file


class JobPlace:
    """The folder of one job, followed by the job's open lock file.

    Args:
        root: The agent's root.
        name: The job.
        lock: The descriptor of the job's lock file.

    Attributes:
        root: The root as it is now.
        folder: The job's folder as it is now.
        is_deleted: Whether the folder was deleted.
    """

    def __init__(self, root: Root, name: str, lock: int) -> None:
        self.root = root
        self.folder = root.job(name)
        self.is_deleted = False
        self._first = root.job(name)
        self._lock = lock

    def follow(self) -> None:
        """Look whether the folder is still there, and find it if it was moved."""
        if os.path.exists(f"{self.folder}/lock"):
            return
        path = os.readlink(f"/proc/self/fd/{self._lock}")
        if path.endswith(DELETED):
            self.is_deleted = True
            return
        folder = os.path.dirname(path)
        self.folder = folder
        self.root = Root(os.path.dirname(os.path.dirname(folder)))

    def moved(self, path: str) -> str:
        """A path below the job's first folder, as it is now."""
        below = os.path.relpath(path, self._first)
        return path if below.startswith("..") else os.path.join(self.folder, below)
