"""Ships the telemetry of jobs in containers from outside the containers.

The folders of jobs are on this machine, so containers ship nothing themselves: they need no token
but the run's own, import less at their start, and telemetry from before a kill is shipped as well.
It is sent with the target's own token, under names from the claim, never from the folder.

A job's end is published when the service has all of its telemetry, or after five seconds without.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dispatcher.agent.shipping.shipper import DEFAULT_LOG_LIMIT, PUBLISH_AFTER, Shipper
from dispatcher.agent.shipping.telemetry_source import TelemetrySource
from targets.docker.claims import ClaimRecord
from targets.docker.guarded_files import GuardedFiles

log = logging.getLogger(__name__)


class ContainerSpools:
    """The telemetry of one target's jobs. Any thread may call."""

    def __init__(
        self,
        state: Path,
        service: Mapping[str, Any],
        *,
        publish: Callable[[str], None],
        complete: Callable[[str], None],
    ) -> None:
        """`publish` is called with a job's name when a withheld end may be published,
        `complete` when the service has all telemetry of an ended job.
        """
        self._shipper = Shipper(_GuardedTelemetry(state), self._on_publishable, complete)
        self._shipper.configure(service, DEFAULT_LOG_LIMIT)
        self._shipper.start()
        self._publish = publish
        self._lock = threading.Lock()
        self._ends: dict[str, bool] = {}  # job name → whether its end may be published
        self._withheld: set[str] = set()  # jobs whose end was requested too early

    def follow(self, name: str, entry: ClaimRecord, *, is_new: bool = False) -> None:
        """Ship a job's telemetry from now on; the service may have some unless the job is new."""
        if name not in self._ends:
            self._shipper.follow(name, _facts(name, entry), is_new=is_new)

    def ended(self, name: str, entry: ClaimRecord) -> bool:
        """Ship the rest of an ended job; returns whether its end may be published now."""
        with self._lock:
            is_first = name not in self._ends
            self._ends.setdefault(name, False)
        if is_first:
            self._shipper.finish(name, _facts(name, entry), is_new=False)
        with self._lock:
            is_publishable = self._ends.get(name, True)
            if not is_publishable:
                self._withheld.add(name)
        if is_first and not is_publishable:
            timer = threading.Timer(PUBLISH_AFTER + 0.1, self._shipper.publish_overdue)
            timer.daemon = True
            timer.start()
        return is_publishable

    def has_pending(self, name: str) -> bool:
        """Whether telemetry of an ended job is not with the service yet."""
        return self._shipper.has_pending(name)

    def forget(self, name: str) -> None:
        """Forget a job."""
        with self._lock:
            self._ends.pop(name, None)
            self._withheld.discard(name)

    def close(self) -> None:
        """Stop. The next target on the same folder ships the rest."""
        self._shipper.close()

    def _on_publishable(self, name: str) -> None:
        with self._lock:
            if name in self._ends:
                self._ends[name] = True
            was_withheld = name in self._withheld
            self._withheld.discard(name)
        if was_withheld:
            self._publish(name)


class _GuardedTelemetry(TelemetrySource):
    """The folders of jobs, whose content is not trusted."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self.files = GuardedFiles(state)

    def folder(self, name: str, job: Mapping[str, Any]) -> str:
        """The folder of a job on this machine."""
        below = f"warm/{job['container']}/jobs" if job["container"] else "jobs"
        return f"{self._state}/{below}/{name}"

    def mark_shipped(self, name: str) -> None:
        """Do nothing: the shipper asks the service instead."""

    def report_losses(self, name: str, warnings: list[str]) -> None:
        """Log the warnings; the exit record is the container's, and is only read here."""
        for warning in warnings:
            log.warning("a file of the job is not kept: %s", warning, extra={"job": name})

    def was_shipped(self, name: str) -> bool:  # noqa: ARG002
        return False


def _facts(name: str, entry: ClaimRecord) -> dict[str, Any]:
    return {**entry.facts(name), "container": entry.container}
