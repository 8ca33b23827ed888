"""Where a shipper finds the streams and output files of jobs."""

from __future__ import annotations

import contextlib
import os

from dispatcher.agent.folders import Root, read_json, write_json
from dispatcher.agent.shipping.outputs import JobOutputs
from dispatcher.agent.shipping.streams import PLAIN, streams_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, List, Mapping, Optional

    from dispatcher.agent.shipping.streams import Files, Stream


class TelemetrySource:
    """The job folders of an agent, and the marks of jobs whose telemetry was shipped.

    Args:
        root: The agent's root.
        on_losses: Called with a job's name and the warnings about its files that are not kept,
            before its end is published.
    """

    files: Files

    def __init__(
        self, root: Root, on_losses: Optional[Callable[[str, List[str]], None]] = None
    ) -> None:
        self._root = root
        self._on_losses = on_losses
        self.files = PLAIN

    def streams(
        self, name: str, job: Mapping[str, Any], log_limit: int, is_new: bool
    ) -> List[Stream]:
        """The streams of a job; see `streams_of`."""
        return streams_of(job, self.folder(name, job), log_limit, is_new, self.files)

    def outputs(
        self, name: str, job: Mapping[str, Any], log_limit: int, is_new: bool
    ) -> Optional[JobOutputs]:
        """The output files of a job; None if it belongs to no run."""
        if job.get("run_id") is None or job.get("attempt") is None:
            return None
        return JobOutputs(job, self.folder(name, job), log_limit, is_new, self.files)

    def folder(self, name: str, job: Mapping[str, Any]) -> str:  # noqa: ARG002
        """The folder of a job."""
        return self._root.job(name)

    def report_losses(self, name: str, warnings: List[str]) -> None:
        """Add the warnings to the exit record, in which the next agent finds them, too."""
        path = f"{self._root.job(name)}/exit.json"
        record = read_json(path)
        if record is not None:
            record["warnings"] = [*(record.get("warnings") or ()), *warnings]
            with contextlib.suppress(OSError):
                write_json(path, record)
        if self._on_losses is not None:
            self._on_losses(name, warnings)

    def mark_shipped(self, name: str) -> None:
        """Mark an ended job whose telemetry is all with the service."""
        write_json(f"{self._root.job(name)}/shipped", {})

    def was_shipped(self, name: str) -> bool:
        """Whether the job is marked."""
        return os.path.exists(f"{self._root.job(name)}/shipped")
