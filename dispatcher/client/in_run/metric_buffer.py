"""Metrics, and what is printed, of a run that this process drives: kept back a moment, posted in
batches.

A run without a job has no spool on disk, so its lines wait here: until there are fifty, a second
has passed, something is read, the run ends, or the interpreter does.
"""

from __future__ import annotations

import atexit
import os
import threading

from dispatcher.wire.encoding import frames

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Optional

    from dispatcher.client.api.connection import ApiConnection

_BATCH = 50
_SECONDS = 1.0
_FIRST_PROCESS = os.getpid()


class LineBuffer:
    """The waiting lines of one run object.

    Args:
        transport: Where they go.
        run_id: The run.
        attempt: Its attempt.
        stream: The stream; it is gone on with where it ends. Default: a stream of metrics of its
            own, because several objects and processes may log to one run.
    """

    def __init__(
        self, transport: ApiConnection, run_id: str, attempt: int, stream: Optional[str] = None
    ) -> None:
        self._transport = transport
        self._header = {
            "run": run_id,
            "attempt": attempt,
            "stream": stream or f"metrics-{os.urandom(8).hex()}",
        }
        self._offset = 0
        self._is_new = stream is None
        self._lines: List[bytes] = []
        self._lock = threading.Lock()
        self._posting = threading.Lock()
        self._due = threading.Event()
        self._thread: Optional[threading.Thread] = None
        self._process = os.getpid()
        self._is_forked = self._process != _FIRST_PROCESS
        atexit.register(self._at_exit)

    @property
    def is_of_this_process(self) -> bool:
        """Whether it was not made before a fork: then its lines are the parent's to send."""
        return self._process == os.getpid()

    def append(self, line: str) -> None:
        """Take a line; it is posted by the background thread.

        In a forked process it is posted at once: such a process may end without any notice.
        """
        if self._is_forked:
            with self._lock:
                self._lines.append(line.encode("utf-8", "replace"))
            self.flush()
            return
        with self._lock:
            self._lines.append(line.encode("utf-8", "replace"))
            full = len(self._lines) >= _BATCH
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._post_in_background, name="dispatcher-metrics", daemon=True
                )
                self._thread.start()
        if full:
            self._due.set()

    def flush(self, timeout_seconds: float = 300) -> None:
        """Post what there is, and return when the service has it.

        Raises:
            ServerUnreachable: It did not answer; the lines are kept for the next try.
        """
        if not self._posting.acquire(timeout=timeout_seconds):
            raise TimeoutError(f"Metrics were not posted within {timeout_seconds} s.")
        try:
            with self._lock:
                data = b"".join(self._lines)
                taken = len(self._lines)
            if data:
                self._post(data)
                with self._lock:
                    del self._lines[:taken]
        finally:
            self._posting.release()

    def _post(self, data: bytes) -> None:
        if not self._is_new:
            self._is_new = True
            self._post(b"")  # the answer says where the stream ends
        answer = self._transport.post_frames(
            "/spool", frames([({**self._header, "offset": self._offset}, data)])
        )
        self._offset = max(self._offset + len(data), int(answer["acks"][0]["offset"]))

    def _post_in_background(self) -> None:
        from dispatcher.client.errors import AzureMLException, ServiceException

        while True:
            self._due.wait(_SECONDS)
            self._due.clear()
            try:
                self.flush()
            except (AzureMLException, ServiceException):
                continue  # the lines stay; the next explicit flush reports the error
            with self._lock:
                if not self._lines:
                    self._thread = None
                    return

    def _at_exit(self) -> None:
        if self.is_of_this_process:
            self.flush()
