"""Copies what is printed inside `with run:` into the run's log."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, List, TextIO, Tuple

    from dispatcher.client.in_run.metric_buffer import LineBuffer

LOG = "logs/user_log.txt"


class Tee:
    """Copies stdout and stderr of this process into a run's log, while it is on.

    Args:
        buffer: Where the copy goes.
    """

    def __init__(self, buffer: LineBuffer) -> None:
        self._buffer = buffer
        self._before: List[Tuple[str, TextIO, Any]] = []

    def start(self) -> None:
        """Begin."""
        for name in ("stdout", "stderr"):
            stream = getattr(sys, name)
            if stream is not None:
                copying = _Copying(stream, self._buffer)
                self._before.append((name, stream, copying))
                setattr(sys, name, copying)

    def stop(self) -> None:
        """End, and bring the last of it to the service."""
        for name, stream, copying in self._before:
            if getattr(sys, name) is copying:  # other code may have replaced the stream since
                setattr(sys, name, stream)
            copying.is_on = False
        self._before = []
        self._buffer.flush()


class _Copying:
    """A text stream that also writes into a buffer; for everything else it is the stream."""

    def __init__(self, stream: TextIO, buffer: LineBuffer) -> None:
        self._stream = stream
        self._buffer = buffer
        self.is_on = True

    def write(self, text: str) -> int:
        written = self._stream.write(text)
        if self.is_on and text:
            self._buffer.append(text)
        return written

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
