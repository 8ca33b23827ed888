"""Where a shipper finds what jobs say and leave behind."""

from __future__ import annotations

import os

from dispatcher.agent.folders import Root, write_json
from dispatcher.agent.shipping.outputs import JobOutputs
from dispatcher.agent.shipping.streams import PLAIN, streams_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, List, Mapping, Optional

    from dispatcher.agent.shipping.streams import Files, Stream


class TelemetrySource:
    """Where a shipper finds what jobs say, and notes whose telemetry is all with the service.

    Args:
        root: The agent's root.
    """

    files: Files

    def __init__(self, root: Root) -> None:
        self._root = root
        self.files = PLAIN

    def streams(
        self, name: str, job: Mapping[str, Any], log_limit: int, known: bool
    ) -> List[Stream]:
        """The streams of a job; see `streams_of`."""
        return streams_of(job, self.folder(name, job), log_limit, known, self.files)

    def outputs(
        self, name: str, job: Mapping[str, Any], log_limit: int, known: bool
    ) -> Optional[JobOutputs]:
        """What a job leaves in its working directory; None for one that is no run's."""
        if job.get("run_id") is None or job.get("attempt") is None:
            return None
        return JobOutputs(job, self.folder(name, job), log_limit, known, self.files)

    def folder(self, name: str, job: Mapping[str, Any]) -> str:  # noqa: ARG002
        """The folder of a job."""
        return self._root.job(name)

    def mark_shipped(self, name: str) -> None:
        """Note that the service has all of an ended job."""
        write_json(f"{self._root.job(name)}/shipped", {})

    def was_shipped(self, name: str) -> bool:
        """Whether that was noted."""
        return os.path.exists(f"{self._root.job(name)}/shipped")
