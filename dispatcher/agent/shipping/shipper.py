"""Ships what jobs say to the service: in batches, by offset, never in a job's way.

One thread. While jobs live it looks at their files five times a second; when one has ended it sends
the rest before the end is told, and so are the files that it has left (keeper.py), however long
they take. A service that is away, or does not get on, delays the telling by five seconds at most,
and gets everything once it is back. Files that are empty cost no request.
"""

from __future__ import annotations

import logging
import random
import threading
import time

from dispatcher.agent.service import connect
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
LOOK_EVERY = 0.2
TELL_AFTER = 5.0
_REQUEST = 4 << 20
_FRAMES = 2000
_LONGEST_PAUSE = 5.0


class Shipper:
    """Follows jobs.

    Args:
        sources: Where the jobs' telemetry is.
        tell: Called with a job's name when its end may be told.
        on_complete: Called with a job's name when the service has all of it.
    """

    def __init__(
        self,
        sources: TelemetrySource,
        tell: Callable[[str], None],
        on_complete: Callable[[str], None],
    ) -> None:
        self._sources, self._tell, self._on_complete = sources, tell, on_complete
        lock = threading.RLock()
        self._lock = threading.Condition(lock)  # there is something to do
        self._fewer = threading.Condition(lock)  # the service has all of one more
        self._jobs: Dict[str, TrackedJob] = {}
        self._service: Optional[ServiceConnection] = None
        self._log_limit = DEFAULT_LOG_LIMIT
        self._news = False
        self._took_at = 0.0  # when the service last took anything
        self._is_asking = False  # and has had no answer yet
        self._is_failing = False  # here, not there
        self._closed = False
        self._upload_pool = UploadPool(self._files_are_kept, self.tell_overdue)
        self._thread = threading.Thread(target=self._work, name="shipper", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def configure(self, address: Optional[Mapping[str, Any]], log_limit: int) -> None:
        """Say how to reach the service; None: there is none, and ends are told at once."""
        with self._lock:
            self._log_limit = log_limit
            self._service = None if address is None else connect(address)
            self._wake()
        self._upload_pool.configure(address)

    def start_over(self) -> List[str]:
        """A service has come (back): ends that it was not told the telemetry of wait for that anew.

        Returns:
            The jobs whose end was told for want of a service, and is now not to be told yet.
        """
        with self._lock:
            waiting = [job for job in self._jobs.values() if job.ended_at is not None]
            again = [job.name for job in waiting if job.told]
            for job in waiting:
                job.ended_at, job.told = time.monotonic(), False
            self._wake()
        for job in waiting:
            self._keep_files(job)
        return again

    def follow(self, name: str, job: Mapping[str, Any], known: bool = True) -> None:
        """Ship a job's telemetry from now on.

        Args:
            name: The job's name.
            job: The job.
            known: False when an agent before this one may have shipped some of it.
        """
        with self._lock:
            if name not in self._jobs:
                streams = self._sources.streams(name, job, self._log_limit, known)
                outputs = self._sources.outputs(name, job, self._log_limit, known)
                self._jobs[name] = TrackedJob(name, streams, outputs, known)
                if len(self._jobs) == 1:
                    self._lock.notify_all()  # from now on there is something to look at

    def finish(self, name: str, job: Mapping[str, Any], known: bool = True) -> None:
        """The job has ended: ship the rest, keep its files, then tell."""
        self.follow(name, job, known)
        with self._lock:
            followed = self._jobs[name]
            followed.ended_at, followed.taken_at = time.monotonic(), None
            has_said = bool(followed.pieces())
            followed.has_pending_files = (
                followed.outputs is not None and followed.outputs.has_files()
            )
            if (has_said or followed.has_pending_files) and not followed.is_new:
                has_said = has_said and not self._sources.was_shipped(name)
                followed.has_pending_files = (
                    followed.has_pending_files and not self._sources.was_shipped(name)
                )
            complete = self._service is None or not (has_said or followed.has_pending_files)
            if not complete:
                self._wake()
        if complete:
            self._done(followed, shipped=self._service is not None)
        else:
            self._keep_files(followed)

    def has_pending(self, name: str) -> bool:
        """Whether the service has not all of an ended job, and can still get it."""
        with self._lock:
            if self._service is None:
                self._jobs.pop(name, None)
            return name in self._jobs

    def tell_overdue(self) -> None:
        """Tell the ends that have waited for the service long enough.

        What is on its way is waited for, as long as the service takes more and more of it.
        """
        due = time.monotonic() - TELL_AFTER
        is_silent = self._upload_pool.is_silent(TELL_AFTER)
        with self._lock:
            late = [
                job
                for job in self._jobs.values()
                if job.ended_at is not None and job.ended_at <= due and not job.told
                if (is_silent if job.has_pending_files else not self._gets_on(job, due))
            ]
            for job in late:
                job.told = True
        for job in late:
            self._tell(job.name)

    def _gets_on(self, job: TrackedJob, since: float) -> bool:
        """Whether the service takes something now, or has since then: of it, or of those before."""
        taken_at = self._took_at if job.taken_at is None else job.taken_at
        return not self._is_failing and (self._is_asking or taken_at > since)

    def drain(self, patience: float) -> bool:
        """Wait until the service has all of it; whether it has.

        Args:
            patience: For how long at most, not counting while it is seen to take more.
        """
        end = time.monotonic() + patience
        with self._lock:
            while self._jobs and self._service is not None:
                left = end - time.monotonic()
                if left <= 0 and not self._takes_more():
                    return False
                self._fewer.wait(max(left, LOOK_EVERY))
        return True

    def _takes_more(self) -> bool:
        since, jobs = time.monotonic() - TELL_AFTER, self._jobs.values()
        takes_files = not self._upload_pool.is_silent(TELL_AFTER)
        return any(
            takes_files if job.has_pending_files else self._gets_on(job, since) for job in jobs
        )

    def close(self) -> None:
        """Stop; what is not shipped yet is found by the next agent."""
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
            everything = now - looked_at >= LOOK_EVERY
            looked_at = now if everything else looked_at
            try:
                self._ship(service, everything)
                pause, self._is_failing = 0.0, False
            except ServiceUnavailable as error:
                if not pause:
                    log.warning("the service is away: %s", error)
                pause = min(_LONGEST_PAUSE, max(0.1, pause * 2))
                self.tell_overdue()
            except Exception:  # the other jobs' telemetry has to go on
                log.exception("shipping goes on")
                pause, self._is_failing = 1.0, True
                self.tell_overdue()

    def _wait(self, pause: float) -> None:
        """Until there is something to look at; with a pause, that long unless told otherwise."""
        with self._lock:
            if pause:
                self._lock.wait(pause * random.uniform(0.5, 1.5))
            elif not self._news:
                self._lock.wait(LOOK_EVERY if self._jobs else None)
            self._news = False

    def _wake(self) -> None:
        self._news = True
        self._lock.notify_all()

    def _ship(self, service: ServiceConnection, everything: bool) -> None:
        """Send until there is nothing more: of all jobs, or only of those that have ended."""
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
        """Pieces for one request; those of ended jobs first."""
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
        pieces = [piece for _, mine in batch for piece in mine]
        self._is_asking = True
        try:
            body = encoding.frames((header, data) for _, header, data in pieces)
            answer = service.post_frames("/spool", body)
        finally:
            self._is_asking = False
        held = {(a["run"], a["attempt"], a["stream"]): int(a["offset"]) for a in answer["acks"]}
        self._took_at = time.monotonic()
        for job, mine in batch:
            before = [stream.offset for stream, _, _ in mine]
            for stream, _, data in mine:
                stream.acknowledged(held.get(stream.key, stream.offset), data)
            if job.taken_at is None or before != [stream.offset for stream, _, _ in mine]:
                job.taken_at = self._took_at

    def _send_singly(self, service: ServiceConnection, batch: Batch) -> None:
        """One of the jobs is refused: find out which, and let the others go on."""
        for job, pieces in batch:
            try:
                self._send(service, [(job, pieces)])
            except RequestRefused as error:
                log.warning("telemetry refused: %s", error, extra={"job": job.name})
                for stream in job.streams:
                    stream.refuse()

    def _settle(self) -> None:
        """Tell the ends of the jobs that have nothing more to send."""
        with self._lock:
            ended = [job for job in self._jobs.values() if job.ended_at is not None]
        for job in ended:
            if not job.has_pending_files and not job.pieces():
                self._done(job, shipped=True)

    def _keep_files(self, job: TrackedJob) -> None:
        if job.has_pending_files and job.outputs is not None:
            job.had_files = True
            self._upload_pool.keep(job.outputs)

    def _files_are_kept(self, name: str) -> None:
        with self._lock:
            job = self._jobs.get(name)
            if job is not None:
                job.has_pending_files = False
                self._wake()

    def _done(self, job: TrackedJob, shipped: bool) -> None:
        if shipped:
            self._mark(job)
            with self._lock:
                self._jobs.pop(job.name, None)
                self._fewer.notify_all()
        if not job.told:
            job.told = True
            self._tell(job.name)
        if shipped:
            self._on_complete(job.name)

    def _mark(self, job: TrackedJob) -> None:
        """Spare the next agent asking how much the service has."""
        if job.had_files or any(stream.offset for stream in job.streams):
            try:
                self._sources.mark_shipped(job.name)
            except OSError:
                return  # then it asks
