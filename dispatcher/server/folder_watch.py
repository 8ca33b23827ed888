"""Watches the data folder and the socket of a running service.

The service ends when its folder was moved or deleted, because all its paths lead to the old place.
It listens anew when its socket was deleted, as programs that clean the temporary directory do.
"""

import logging
import threading
from collections.abc import Callable

from dispatcher.server.data_folder import DataFolder, Whereabouts

log = logging.getLogger(__name__)
CHECK_SECONDS = 0.25
_KEEP_EVERY = 8  # checks


class FolderWatch:
    """Checks in a thread of its own, until the folder is lost or `close`.

    Args:
        folder: The data folder.
        on_lost: Called once when the folder is not in place, or another service has it.
        keep_socket: Called at each check; it makes the socket again if it is gone.
        keep_address: Called at each check; it writes the address again if its file is gone.
    """

    def __init__(
        self,
        folder: DataFolder,
        on_lost: Callable[[Whereabouts], None],
        keep_socket: Callable[[], None],
        keep_address: Callable[[], None],
    ) -> None:
        self._folder, self._on_lost = folder, on_lost
        self._keep_socket, self._keep_address = keep_socket, keep_address
        self._closed = threading.Event()
        self._checks = 0
        self._thread = threading.Thread(target=self._run, name="folder watch", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """Stop watching."""
        self._closed.set()
        if self._thread is not threading.current_thread() and self._thread.is_alive():
            self._thread.join()

    def check(self) -> bool:
        """Check once; returns whether the folder is still the service's."""
        where = self._folder.whereabouts()
        if where is not Whereabouts.IN_PLACE:
            log.warning("the data folder %s was %s; the service ends", self._folder.path, where)
            self._on_lost(where)
            return False
        self._checks += 1
        if self._checks % _KEEP_EVERY == 0 and not self._folder.keep_lock():
            log.warning("another service has the data folder %s; this one ends", self._folder.path)
            self._on_lost(Whereabouts.MOVED)
            return False
        self._keep_socket()
        self._keep_address()
        return True

    def _run(self) -> None:
        while not self._closed.wait(CHECK_SECONDS):
            try:
                if not self.check():
                    return
            except OSError:  # a full disk, or no descriptor left: the next check tries again
                log.exception("the data folder or the socket could not be checked")
