"""The shipper: sends metrics and logs of jobs to the service, in batches and by offset.

One thread reads the files of living jobs five times a second. When a job has ended, the rest of its
streams and its output files (upload_pool.py) are sent before its end is published, however long
that takes. A service that is unreachable, or accepts nothing more, delays the end by five seconds
at most and receives everything later. Empty files cost no request.
"""

from __future__ import annotations

import logging
import random
import threading
import time

from dispatcher.agent.service import ANSWER_SECONDS, connect
from dispatcher.agent.shipping.tracked_job import TrackedJob
from dispatcher.agent.shipping.upload_pool import UploadPool
from dispatcher.wire import encoding
from dispatcher.wire.errors import RequestRefused, ServiceUnavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

    from dispatcher.agent.shipping.telemetry_source import TelemetrySource
    from dispatcher.agent.shipping.tracked_job import Piece
    from dispatcher.wire.connection import ServiceConnection

    Batch = List[Tuple[TrackedJob, List[Piece]]]

log = logging.getLogger(__name__)
DEFAULT_LOG_LIMIT = 100_000_000
READ_EVERY = 0.2
PUBLISH_AFTER = 5.0
_REQUEST = 4 << 20
_FRAMES = 2000
_MAX_PAUSE = 5.0
_MIN_BYTES_PER_SECOND = 1 << 19  # bytes a second that a busy service stores at least


class Shipper:
    """Ships the telemetry of jobs.

    Args:
        sources: Finds the streams and files of jobs.
        publish: Called with a job's name when its end may be published.
        on_complete: Called with a job's name when the service has all of its telemetry.
    """

    def __init__(
        self,
        sources: TelemetrySource,
        publish: Callable[[str], None],
        on_complete: Callable[[str], None],
    ) -> None:
        self._sources, self._publish, self._on_complete = sources, publish, on_complete
        lock = threading.RLock()
        self._lock = threading.Condition(lock)  # notified of new work
        self._job_done = threading.Condition(lock)  # notified when one job is done
        self._jobs: Dict[str, TrackedJob] = {}
        self._service: Optional[ServiceConnection] = None
        self._log_limit = DEFAULT_LOG_LIMIT
        self._has_work = False
        self._accepted_at = 0.0  # when the service last accepted telemetry
        self._awaits_answer = False  # a request has no answer yet
        self._is_failing = False  # an error on this side, not of the service
        self._closed = False
        self._upload_pool = UploadPool(self._on_files_uploaded, self.publish_overdue)
        self._thread = threading.Thread(target=self._work, name="shipper", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def configure(self, address: Optional[Mapping[str, Any]], log_limit: int) -> None:
        """Set how the service is reached; None: there is none, and ends are published at once."""
        with self._lock:
            self._log_limit = log_limit
            self._service = None if address is None else connect(address)
            self._wake()
        self._upload_pool.configure(address)

    def withhold_ends(self) -> List[str]:
        """Withhold the ends of jobs whose telemetry the service does not have.

        Called when a service is configured.

        Returns:
            The jobs whose end was published without a service, and is hidden again.
        """
        with self._lock:
            waiting = [job for job in self._jobs.values() if job.ended_at is not None]
            withheld = [job.name for job in waiting if job.is_published]
            for job in waiting:
                job.ended_at, job.is_published = time.monotonic(), False
            self._wake()
        for job in waiting:
            self._queue_files(job)
        return withheld

    def follow(self, name: str, job: Mapping[str, Any], is_new: bool = True) -> None:
        """Ship a job's telemetry from now on.

        Args:
            name: The job's name.
            job: The job.
            is_new: False if an earlier agent may have shipped some of it.
        """
        with self._lock:
            if name not in self._jobs:
                streams = self._sources.streams(name, job, self._log_limit, is_new)
                outputs = self._sources.outputs(name, job, self._log_limit, is_new)
                self._jobs[name] = TrackedJob(name, streams, outputs, is_new)
                if len(self._jobs) == 1:
                    self._lock.notify_all()  # there are files to read from now on

    def finish(self, name: str, job: Mapping[str, Any], is_new: bool = True) -> None:
        """Ship the rest of an ended job, upload its files, then publish its end."""
        self.follow(name, job, is_new)
        with self._lock:
            tracked = self._jobs[name]
            tracked.ended_at, tracked.accepted_at = time.monotonic(), None
            has_telemetry = bool(tracked.pieces()) or tracked.is_unreadable
            tracked.has_pending_files = tracked.outputs is not None and tracked.outputs.has_files()
            if (has_telemetry or tracked.has_pending_files) and not tracked.is_new:
                has_telemetry = has_telemetry and not self._sources.was_shipped(name)
                tracked.has_pending_files = (
                    tracked.has_pending_files and not self._sources.was_shipped(name)
                )
            complete = self._service is None or not (has_telemetry or tracked.has_pending_files)
            if not complete:
                self._wake()
        if complete:
            self._complete(tracked, shipped=self._service is not None)
        else:
            self._queue_files(tracked)

    def has_pending(self, name: str) -> bool:
        """Whether telemetry of an ended job is not with the service, and can still be sent."""
        with self._lock:
            if self._service is None:
                self._jobs.pop(name, None)
            return name in self._jobs

    def publish_overdue(self) -> None:
        """Publish the ends that have waited for the service long enough.

        An end waits on while the service accepts more and more of the job's telemetry.
        """
        due = time.monotonic() - PUBLISH_AFTER
        is_silent = self._upload_pool.is_silent(PUBLISH_AFTER)
        with self._lock:
            late = [
                job
                for job in self._jobs.values()
                if job.ended_at is not None and job.ended_at <= due and not job.is_published
                if (is_silent if job.has_pending_files else not self._is_progressing(job, due))
            ]
            for job in late:
                job.is_published = True
        for job in late:
            self._publish(job.name)

    def _is_progressing(self, job: TrackedJob, since: float) -> bool:
        """Whether the service answers now, or has accepted telemetry of the job since then."""
        accepted_at = self._accepted_at if job.accepted_at is None else job.accepted_at
        return not self._is_failing and (self._awaits_answer or accepted_at > since)

    def drain(self, patience: float) -> bool:
        """Wait until the service has everything; returns whether it has.

        Args:
            patience: Seconds to wait at most, not counting while the service accepts more.
        """
        end = time.monotonic() + patience
        with self._lock:
            while self._jobs and self._service is not None:
                remaining = end - time.monotonic()
                if remaining <= 0 and not self._is_any_progressing():
                    return False
                self._job_done.wait(max(remaining, READ_EVERY))
        return True

    def _is_any_progressing(self) -> bool:
        since, jobs = time.monotonic() - PUBLISH_AFTER, self._jobs.values()
        accepts_files = not self._upload_pool.is_silent(PUBLISH_AFTER)
        return any(
            accepts_files if job.has_pending_files else self._is_progressing(job, since)
            for job in jobs
        )

    def close(self) -> None:
        """Stop. The next agent ships the rest."""
        with self._lock:
            self._closed = True
            self._wake()
        self._upload_pool.close()
        if self._thread.is_alive():
            self._thread.join(timeout=1.0)

    def _work(self) -> None:
        pause = looked_at = 0.0
        while not self._closed:
            self._wait(pause)
            service = self._service
            if service is None or self._closed:
                continue
            now = time.monotonic()
            everything = now - looked_at >= READ_EVERY
            looked_at = now if everything else looked_at
            try:
                self._ship(service, everything)
                pause, self._is_failing = 0.0, False
            except ServiceUnavailable as error:
                if not pause:
                    log.warning("shipping paused, service unreachable: %s", error)
                pause = min(_MAX_PAUSE, max(0.1, pause * 2))
                self.publish_overdue()
            except Exception:  # an error with one job must not stop the others
                log.exception("shipping failed and is retried")
                pause, self._is_failing = 1.0, True
                self.publish_overdue()

    def _wait(self, pause: float) -> None:
        """Wait for new work; with a pause, that long at most."""
        with self._lock:
            if pause:
                self._lock.wait(pause * random.uniform(0.5, 1.5))
            elif not self._has_work:
                self._lock.wait(READ_EVERY if self._jobs else None)
            self._has_work = False

    def _wake(self) -> None:
        self._has_work = True
        self._lock.notify_all()

    def _ship(self, service: ServiceConnection, everything: bool) -> None:
        """Send until nothing is left: of all jobs, or only of ended ones."""
        while not self._closed and service is self._service:
            batch = self._gather(everything)
            if batch:
                try:
                    self._send(service, batch)
                except RequestRefused:
                    self._send_singly(service, batch)
            self._settle()
            if not batch:
                return

    def _gather(self, everything: bool) -> Batch:
        """The chunks of one request; those of ended jobs first."""
        with self._lock:
            jobs = [job for job in self._jobs.values() if everything or job.ended_at is not None]
        jobs.sort(key=lambda job: job.ended_at is None)
        size, count = 0, 0
        batch: Batch = []
        for job in jobs:
            pieces = job.pieces()
            if pieces:
                batch.append((job, pieces))
                size += sum(len(data) for _, _, data in pieces)
                count += len(pieces)
            if size >= _REQUEST - (1 << 20) or count >= _FRAMES:
                break
        return batch

    def _send(self, service: ServiceConnection, batch: Batch) -> None:
        pieces = [piece for _, job_pieces in batch for piece in job_pieces]
        self._awaits_answer = True
        try:
            body = encoding.frames((header, data) for _, header, data in pieces)
            timeout = ANSWER_SECONDS + len(body) / _MIN_BYTES_PER_SECOND
            answer = service.post_frames("/spool", body, timeout)
        finally:
            self._awaits_answer = False
        offsets = {(a["run"], a["attempt"], a["stream"]): int(a["offset"]) for a in answer["acks"]}
        self._accepted_at = time.monotonic()
        for job, job_pieces in batch:
            before = [stream.offset for stream, _, _ in job_pieces]
            for stream, _, data in job_pieces:
                stream.acknowledged(offsets.get(stream.key, stream.offset), data)
            if job.accepted_at is None or before != [stream.offset for stream, _, _ in job_pieces]:
                job.accepted_at = self._accepted_at

    def _send_singly(self, service: ServiceConnection, batch: Batch) -> None:
        """Send each job in a request of its own, because the service refuses one of them."""
        for job, pieces in batch:
            try:
                self._send(service, [(job, pieces)])
            except RequestRefused as error:
                log.warning("telemetry refused: %s", error, extra={"job": job.name})
                for stream in job.streams:
                    stream.refuse()

    def _settle(self) -> None:
        """Publish the ends of jobs that have nothing more to send."""
        with self._lock:
            ended = [job for job in self._jobs.values() if job.ended_at is not None]
        for job in ended:
            if not job.has_pending_files and not job.pieces() and not job.is_unreadable:
                self._complete(job, shipped=True)

    def _queue_files(self, job: TrackedJob) -> None:
        if job.has_pending_files and job.outputs is not None:
            job.had_files = True
            self._upload_pool.add(job.outputs)

    def _on_files_uploaded(self, name: str) -> None:
        with self._lock:
            job = self._jobs.get(name)
            if job is not None:
                job.has_pending_files = False
                self._wake()

    def _complete(self, job: TrackedJob, shipped: bool) -> None:
        if shipped:
            self._mark_shipped(job)
            with self._lock:
                self._jobs.pop(job.name, None)
                self._job_done.notify_all()
        if not job.is_published:
            if job.outputs is not None and job.outputs.warnings:
                self._sources.report_losses(job.name, job.outputs.warnings)
            job.is_published = True
            self._publish(job.name)
        if shipped:
            self._on_complete(job.name)

    def _mark_shipped(self, job: TrackedJob) -> None:
        """Mark the job, so that the next agent need not ask the service."""
        if job.had_files or any(stream.offset for stream in job.streams):
            try:
                self._sources.mark_shipped(job.name)
            except OSError:
                return  # the next agent asks the service
