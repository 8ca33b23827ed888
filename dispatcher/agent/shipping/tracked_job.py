"""A job that the shipper tracks: its streams, its output files, and their progress."""

from __future__ import annotations

import errno
import logging

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Tuple

    from dispatcher.agent.shipping.outputs import JobOutputs
    from dispatcher.agent.shipping.streams import Stream

    Piece = Tuple[Stream, Dict[str, Any], bytes]

log = logging.getLogger(__name__)
# Errors of the machine, not of the file: the next try may succeed.
_TRANSIENT = frozenset(
    {errno.EAGAIN, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE}
)


class TrackedJob:
    """A tracked job.

    Attributes:
        is_new: Whether no earlier agent can have shipped a part of it.
        has_pending_files: Whether it has ended, and output files are not uploaded yet.
        had_files: Whether it had output files.
        ended_at: When its end was noticed, by the monotonic clock; None while it lives.
        is_published: Whether its end was published.
        accepted_at: When the service last accepted a part of it.
        is_unreadable: Whether a stream could not be read just now, and is to be tried again.
    """

    def __init__(
        self, name: str, streams: List[Stream], outputs: Optional[JobOutputs], is_new: bool
    ) -> None:
        self.name = name
        self.is_new = is_new
        self.streams = streams
        self.outputs = outputs
        self.has_pending_files = False
        self.had_files = False
        self.ended_at: Optional[float] = None
        self.is_published = False
        self.accepted_at: Optional[float] = None
        self.is_unreadable = False

    def pieces(self) -> List[Piece]:
        """The next chunk of each stream that has one."""
        if self.outputs is not None:
            self.streams += self.outputs.new_logs(final=self.ended_at is not None)
        pieces = []
        is_unreadable = False
        for stream in self.streams:
            try:
                chunk = stream.chunk(final=self.ended_at is not None)
            except OSError as error:
                if error.errno in _TRANSIENT:
                    is_unreadable = True
                    if not self.is_unreadable:
                        log.warning(
                            "%s cannot be read and is tried again: %s",
                            stream.key[2], error, extra={"job": self.name},
                        )  # fmt: skip
                continue
            if chunk is not None:
                pieces.append((stream, *chunk))
        self.is_unreadable = is_unreadable
        return pieces
