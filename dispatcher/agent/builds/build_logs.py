"""Build logs: shipped, while they grow, as logs of the runs that wait for the build."""

from __future__ import annotations

import contextlib
import os
import threading

from dispatcher.agent.shipping.shipper import PUBLISH_AFTER, Shipper
from dispatcher.agent.shipping.streams import PLAIN, LogStream, streams_host
from dispatcher.agent.shipping.telemetry_source import TelemetrySource

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Mapping, Optional

    from dispatcher.agent.shipping.outputs import JobOutputs
    from dispatcher.agent.shipping.streams import Stream

    Job = Mapping[str, Any]

LOG = "20_image_build_log.txt"  # v1's name


class BuildLogs:
    """One log for each job that waits for an environment.

    Args:
        folder: Holds the logs until the service has them.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._jobs: Dict[str, Job] = {}
        self._then: Dict[str, Callable[[], None]] = {}
        self._settings: tuple[Optional[Mapping[str, Any]], int] = (None, 0)
        self._shipper: Optional[Shipper] = None  # most agents never build an environment

    def configure(self, address: Optional[Mapping[str, Any]], limit: int) -> None:
        """Set how the service is reached."""
        self._settings = (address, limit)
        if self._shipper is not None:
            self._shipper.configure(address, limit)

    def begin(self, name: str, job: Job) -> str:
        """Begin to ship the build log of a job; returns the path to write it to."""
        os.makedirs(self._folder, exist_ok=True)
        path = self._path(name)
        with self._lock:
            self._jobs[name] = job
            if self._shipper is None:
                self._shipper = Shipper(
                    _BuildLogSource(self._path), self._on_publishable, self._on_complete
                )
                self._shipper.configure(*self._settings)
                self._shipper.start()
            shipper = self._shipper
        with open(path, "ab"):  # a log that an earlier agent began is continued
            pass
        shipper.follow(name, job, is_new=False)
        return path

    def finish(self, name: str, then: Callable[[], None]) -> None:
        """Call `then` when the service has the finished log, or after a time limit."""
        with self._lock:
            job, shipper = self._jobs.get(name), self._shipper
            if job is not None:
                self._then[name] = then
        if job is None or shipper is None:
            then()
            return
        timer = threading.Timer(PUBLISH_AFTER + 0.1, shipper.publish_overdue)
        timer.daemon = True
        timer.start()
        shipper.finish(name, job, is_new=False)

    def close(self) -> None:
        """Stop. Logs that are not shipped stay on disk."""
        if self._shipper is not None:
            self._shipper.close()

    def _path(self, name: str) -> str:
        return f"{self._folder}/{name}.txt"

    def _on_publishable(self, name: str) -> None:
        with self._lock:
            then = self._then.pop(name, None)
        if then is not None:
            then()

    def _on_complete(self, name: str) -> None:
        with self._lock:
            self._jobs.pop(name, None)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path(name))


class _BuildLogSource(TelemetrySource):
    """Offers a job's build log and nothing else."""

    def __init__(self, path: Callable[[str], str]) -> None:
        self._path = path
        self.files = PLAIN

    def streams(self, name: str, job: Job, log_limit: int, is_new: bool) -> List[Stream]:
        run, attempt = job.get("run_id"), job.get("attempt")
        if run is None or attempt is None:
            return []
        host = streams_host(job)
        below = f"azureml-logs/host_{host}" if host else "azureml-logs"
        key = (run, attempt, f"log:{below}/{LOG}")
        return [LogStream(key, self._path(name), is_new, log_limit)]

    def outputs(self, *_: Any) -> Optional[JobOutputs]:
        return None

    def mark_shipped(self, name: str) -> None:
        """Do nothing: the log is deleted."""

    def was_shipped(self, name: str) -> bool:  # noqa: ARG002
        return False
