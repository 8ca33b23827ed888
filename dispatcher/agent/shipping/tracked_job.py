"""One job as the shipper follows it: its streams, what it leaves, and how far all that is."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Tuple

    from dispatcher.agent.shipping.outputs import JobOutputs
    from dispatcher.agent.shipping.streams import Stream

    Piece = Tuple[Stream, Dict[str, Any], bytes]


class TrackedJob:
    """A job.

    Attributes:
        is_new: Whether the service holds nothing of it from an agent before this one.
        owes_files: Whether it has ended, and files of it have yet to be kept.
        had_files: Whether there were any.
        ended_at: When it was heard to have ended; None while it lives.
        told: Whether its end was told.
        taken_at: When the service last took some of it.
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
        self.told = False
        self.taken_at: Optional[float] = None

    def pieces(self) -> List[Piece]:
        """What there is to send now: a chunk of each stream that has one."""
        if self.outputs is not None:
            self.streams += self.outputs.new_logs(final=self.ended_at is not None)
        found = []
        for stream in self.streams:
            try:
                chunk = stream.chunk(final=self.ended_at is not None)
            except OSError:
                continue
            if chunk is not None:
                found.append((stream, *chunk))
        return found
