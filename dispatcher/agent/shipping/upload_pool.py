"""The upload pool: uploads the output files of several ended jobs at once.

It has threads of its own, so a large model does not delay the logs of other jobs. The threads start
with the first job that has output files. They retry while the service is unreachable; the shipper
asks how long the service has not answered.
"""

from __future__ import annotations

import collections
import logging
import random
import threading
import time

from dispatcher.agent.service import connect
from dispatcher.agent.shipping.uploader import OutputUploader
from dispatcher.wire.errors import ServiceUnavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Deque, Dict, List, Mapping, Optional

    from dispatcher.agent.shipping.outputs import JobOutputs
    from dispatcher.wire.connection import ServiceConnection

log = logging.getLogger(__name__)
THREADS = 3
_MAX_PAUSE = 5.0
_CHECK_EVERY = 1.0


class UploadPool:
    """The threads that upload output files.

    Args:
        on_uploaded: Called with a job's name when the service has all of its files.
        on_silent: Called once a second while the service does not answer.
    """

    def __init__(self, on_uploaded: Callable[[str], None], on_silent: Callable[[], None]) -> None:
        self._on_uploaded, self._on_silent = on_uploaded, on_silent
        self._lock = threading.Condition()
        self._due: Deque[JobOutputs] = collections.deque()
        self._names: Dict[str, JobOutputs] = {}
        self._address: Optional[Mapping[str, Any]] = None
        self._threads: List[threading.Thread] = []
        self._unanswered_since: Optional[float] = (
            None  # the time of the first request without an answer
        )
        self._closed = False

    def configure(self, address: Optional[Mapping[str, Any]]) -> None:
        """Set how the service is reached; None: uploads wait."""
        with self._lock:
            self._address = address
            self._lock.notify_all()

    def add(self, outputs: JobOutputs) -> None:
        """Upload the files of an ended job. A repeated call has no effect."""
        with self._lock:
            if outputs.name in self._names or self._closed:
                return
            self._names[outputs.name] = outputs
            self._due.append(outputs)
            if len(self._threads) < min(THREADS, len(self._names)):
                self._threads.append(threading.Thread(target=self._work, daemon=True))
                self._threads[-1].start()
            self._lock.notify()

    def is_silent(self, seconds: float) -> bool:
        """Whether the service has not answered for `seconds`, with a request pending."""
        with self._lock:
            unanswered_since = self._unanswered_since
        return unanswered_since is not None and time.monotonic() - unanswered_since >= seconds

    def close(self) -> None:
        """Stop. The next agent uploads the rest."""
        with self._lock:
            self._closed = True
            self._lock.notify_all()

    def _work(self) -> None:
        while True:
            outputs = self._next()
            if outputs is None:
                return
            self._upload(outputs)

    def _next(self) -> Optional[JobOutputs]:
        with self._lock:
            while not self._closed and (not self._due or self._address is None):
                self._lock.wait()
            return None if self._closed else self._due.popleft()

    def _upload(self, outputs: JobOutputs) -> None:
        pause = 0.0
        while not self._closed:
            try:
                OutputUploader(self._service(), outputs).run()
                break
            except ServiceUnavailable as error:
                if not pause:
                    log.warning("artifact upload paused, service unreachable: %s", error)
                pause = min(_MAX_PAUSE, max(0.1, pause * 2))
                self._wait(pause)
            except Exception:  # an error with the files of one job must not stop the others
                log.exception("output files cannot be uploaded", extra={"job": outputs.name})
                break
        if not self._closed:
            with self._lock:
                self._names.pop(outputs.name, None)
            self._on_uploaded(outputs.name)

    def _service(self) -> ServiceConnection:
        with self._lock:
            address = self._address or {}
        return connect(address, on_request=self._request_sent, on_answer=self._answer_received)

    def _wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds * random.uniform(0.5, 1.5)
        while not self._closed:
            self._on_silent()
            remaining = end - time.monotonic()
            if remaining <= 0:
                return
            with self._lock:
                self._lock.wait(min(remaining, _CHECK_EVERY))

    def _request_sent(self) -> None:
        with self._lock:
            if self._unanswered_since is None:
                self._unanswered_since = time.monotonic()

    def _answer_received(self, status: int) -> None:
        if status < 500:
            with self._lock:
                self._unanswered_since = None
