"""Heartbeats of the interactive runs that this process drives.

They go over a connection of their own that starts no service: a service that was stopped stays so.
"""

from __future__ import annotations

import os
import threading

from dispatcher.wire.connection import ServiceConnection
from dispatcher.wire.errors import RequestRefused, ServiceUnavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Optional, Set

    from dispatcher.wire.address import Address

BEAT_SECONDS = 5.0
_ANSWER_SECONDS = 10.0


class Heartbeat:
    """Reports to one service which interactive runs this process drives.

    Args:
        address: Returns the service's address; it may change when the service is started again.
    """

    def __init__(self, address: Callable[[], Address]) -> None:
        self._address = address
        self._thread: Optional[threading.Thread] = None
        self._runs: Set[str] = set()
        self._forget()

    def add(self, run_id: str) -> None:
        """Send heartbeats for a run, until it has ended or this process has."""
        if self._process != os.getpid():  # a forked child; its parent sends those of its own runs
            self._forget()
        with self._lock:
            self._runs.add(run_id)
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._beat_until_done, name="dispatcher-heartbeat", daemon=True
                )
                self._thread.start()

    def discard(self, run_id: str) -> None:
        """Send no more heartbeats for a run."""
        if self._process == os.getpid():
            with self._lock:
                self._runs.discard(run_id)

    def _forget(self) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._runs = set()
        self._thread = None
        self._pause = threading.Event()

    def _beat_until_done(self) -> None:
        connection: Optional[ServiceConnection] = None
        while True:
            self._pause.wait(BEAT_SECONDS)
            with self._lock:
                runs = sorted(self._runs)
                if not runs:
                    self._thread = None
                    return
            address = self._address()
            if connection is None or connection.address is not address:
                connection = ServiceConnection(address)
            try:
                answer = connection.ask("/runs/heartbeat", {"ids": runs}, timeout=_ANSWER_SECONDS)
            except (ServiceUnavailable, RequestRefused, ValueError):
                continue  # the service is away, or is starting: the next one tells it
            with self._lock:
                self._runs.difference_update(answer["ended"])
