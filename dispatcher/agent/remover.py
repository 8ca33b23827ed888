"""Deletes the folders of removed jobs in a thread of its own, because they may be large.

It waits until no job was removed for a second: deleting slows a burst of short jobs down more than
starting them does, because file systems create files slowly after many deletions.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import shutil
import stat
import threading
import time

from dispatcher.agent.folders import Root

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Optional, Tuple

log = logging.getLogger(__name__)
KEEP_CLAIMS = 7 * 24 * 3600.0
QUIET = 1.0  # seconds without a removal, until the deleting begins
MAX_WAIT = 30.0  # however busy it is


class Remover:
    """Deletes job folders, and claims whose folder was removed seven days ago.

    Args:
        root: The agent's root.
    """

    def __init__(self, root: Root) -> None:
        self._root = root
        self._folders: queue.Queue[Optional[Tuple[float, str]]] = queue.Queue()
        self._removed_at = -MAX_WAIT
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._work, name="remover", daemon=True)

    def start(self) -> None:
        """Begin with the folders that an earlier agent has left."""
        for name in os.listdir(self._root.trash):
            self._put(os.path.join(self._root.trash, name))
        self._thread.start()

    def remove(self, name: str) -> None:
        """Move a job's folder away at once, and delete it later."""
        away = os.path.join(self._root.trash, f"{name}.{time.monotonic_ns()}")
        with contextlib.suppress(FileNotFoundError):
            os.utime(
                os.path.join(self._root.claims, name)
            )  # the claim stays for seven days from now
            os.rename(self._root.job(name), away)
            self._put(away)

    def delete(self, folder: str) -> None:
        """Delete a folder of the trash later."""
        self._put(folder)

    def close(self) -> None:
        """Stop. The next agent deletes the rest."""
        self._closed.set()
        self._folders.put(None)

    def _put(self, folder: str) -> None:
        self._removed_at = time.monotonic()
        self._folders.put((self._removed_at, folder))

    def _work(self) -> None:
        self._drop_old_claims()
        while True:
            try:
                due = self._folders.get(timeout=3600)
            except queue.Empty:
                self._drop_old_claims()
                continue
            if due is None or not self._is_quiet(since=due[0]):
                return
            try:
                _delete(due[1])
            except OSError:
                log.exception("a removed job's folder cannot be deleted", extra={"folder": due[1]})

    def _is_quiet(self, since: float) -> bool:
        """Wait until a folder that was moved away at `since` is due; False once closed."""
        while True:
            due = min(self._removed_at + QUIET, since + MAX_WAIT)
            if self._closed.wait(max(0.0, due - time.monotonic())):
                return False
            if time.monotonic() >= min(self._removed_at + QUIET, since + MAX_WAIT):
                return True

    def _drop_old_claims(self) -> None:
        with os.scandir(self._root.claims) as claims:
            for claim in claims:
                with contextlib.suppress(OSError):
                    old = time.time() - claim.stat().st_mtime > KEEP_CLAIMS
                    if old and not os.path.isdir(self._root.job(claim.name)):
                        os.unlink(claim.path)


def _delete(folder: str) -> None:
    def open_up(call: Callable[..., Any], path: str, _error: object) -> None:
        """Restore permissions that a script took from its own files."""
        for one in (os.path.dirname(path), path):
            if not os.path.islink(one):
                os.chmod(one, stat.S_IRWXU)
        if call in (os.open, os.scandir, os.listdir, os.lstat):
            shutil.rmtree(path)
        else:
            call(path)

    shutil.rmtree(folder, onerror=open_up)
