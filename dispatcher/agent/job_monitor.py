"""The job monitor: follows jobs to their end, and cleans up after dead shims.

Notifications (datagrams of shims, reports of fork servers) only make it fast. Once a second it
reads the state on disk of every job that no fork server reports on, every ten seconds of all jobs.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import socket
import threading
import time

from dispatcher.agent import job_state
from dispatcher.agent.exit_records import refusal
from dispatcher.agent.folders import Root, read_json, write_json
from dispatcher.agent.job_table import JobEntry, JobTable
from dispatcher.wire.sockets import short_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Set

    from dispatcher.agent.cgroups import Cgroups
    from dispatcher.agent.shipping.shipper import Shipper
    from dispatcher.agent.starting.start_method import ForkServerKey

log = logging.getLogger(__name__)
_CHECK_ALL_EVERY = 10


class JobMonitor:
    """Keeps the job table in agreement with the disk and the process table.

    Args:
        root: The agent's root.
        table: The jobs.
        shipper: Ships their telemetry, and decides when an end is published.
        cgroups: The machine's control groups.
        call: Runs a function in the agent's thread.
        on_end: Called when a job has ended or is gone.
    """

    def __init__(
        self,
        root: Root,
        table: JobTable,
        shipper: Shipper,
        cgroups: Cgroups,
        call: Callable[[Callable[[], None]], None],
        on_end: Callable[[], None],
    ) -> None:
        self._root, self._table, self._shipper = root, table, shipper
        self._cgroups, self._call, self._on_end = cgroups, call, on_end
        self._cleaning_up: Set[str] = set()
        self._looks = 0

    def adopt(self) -> None:
        """Find the jobs that earlier agents started."""
        for name in sorted(os.listdir(self._root.jobs)):
            state = job_state.look(self._root, name)
            if state.state == job_state.ABSENT:
                continue
            job = read_json(f"{self._root.job(name)}/job.json") or {"name": name}
            entry = JobEntry(name, job)
            if os.path.exists(f"{self._root.job(name)}/removed"):
                self._shipper.finish(name, job, is_new=False)
                continue
            self._table.add(entry)
            self._shipper.follow(name, job, is_new=False)
            self._apply_state(entry, state)

    def listen(self) -> socket.socket:
        """Bind the socket to which shims report starts and ends; `receive_events` reads it."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._root.events)
        with short_path(self._root.events) as path:
            listener.bind(path)
        listener.setblocking(False)
        with contextlib.suppress(OSError):
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self._listener = listener
        return listener

    def receive_events(self) -> None:
        """Apply the reports of shims."""
        for _ in range(64):
            try:
                report = json.loads(self._listener.recv(4096))
            except BlockingIOError:
                return
            except ValueError:
                continue
            entry = self._table.get(report.get("name", ""))
            if entry is None:
                continue
            if report.get("exited"):
                self._job_ended(entry)
            elif entry.state == job_state.CREATED:
                self._shipper.follow(entry.name, entry.job)
                self._table.started(entry, report["pid"], report["started_at"])

    def _job_ended(self, entry: JobEntry) -> None:
        record = read_json(f"{self._root.job(entry.name)}/exit.json")
        if record is not None and self._table.ended(entry, record):
            self._shipper.finish(entry.name, entry.job)
            self._on_end()

    def shims_ended(self, names: List[str]) -> None:
        """Apply a fork server's report of shims that have ended."""
        for name in names:
            entry = self._table.get(name)
            if entry is None or entry.state == job_state.EXITED:
                continue
            self.examine(name)
            if entry.state == job_state.CREATED and not self._root.is_claimed(name):
                self._table.drop(name)  # the shim died before its claim: no process was started
                self._on_end()

    def examine(self, name: str) -> None:
        """Read the state of a job, and apply it."""
        entry = self._table.get(name)
        if entry is not None and entry.state != job_state.EXITED:
            self._apply_state(entry, job_state.look(self._root, name))

    def check_jobs(self, fork_servers: Set[ForkServerKey]) -> None:
        """Examine the jobs whose fork server is not one of these, and sometimes all jobs.

        Args:
            fork_servers: The keys of the living fork servers.
        """
        self._looks += 1
        thorough = self._looks % _CHECK_ALL_EVERY == 0
        for entry in self._table.entries():
            if entry.state == job_state.EXITED or (
                entry.state == job_state.CREATED and not entry.key
            ):
                continue
            if thorough or entry.key not in fork_servers or entry.state == job_state.CREATED:
                self.examine(entry.name)

    def wake_shims(self) -> None:
        """Make all shims read the lease again."""
        for entry in self._table.entries():
            if entry.state == job_state.ALIVE:
                job_state.signal_shim(self._root.job(entry.name), signal.SIGUSR1)

    def _apply_state(self, entry: JobEntry, state: job_state.JobState) -> None:
        if state.state == job_state.ALIVE:
            if entry.state == job_state.CREATED:
                self._shipper.follow(entry.name, entry.job)
            self._table.started(entry, state.started.get("pid"), state.started.get("started_at"))
        elif state.state == job_state.EXITED and state.record is not None:
            entry.pid = entry.pid or state.started.get("pid")
            if self._table.ended(entry, state.record):
                self._shipper.finish(entry.name, entry.job)
                self._on_end()
        elif state.state == job_state.LOST and entry.name not in self._cleaning_up:
            self._cleaning_up.add(entry.name)
            threading.Thread(
                target=self._clean_up, args=(entry, state.started), daemon=True
            ).start()
        elif state.state == job_state.REMOVED:
            self._table.drop(entry.name)  # its folder was deleted from outside
            self._on_end()

    def _clean_up(self, entry: JobEntry, started: Dict[str, Any]) -> None:
        """Kill the processes that a dead shim has left, then write the exit record."""
        log.warning("supervisor lost", extra={"job": entry.name})
        record = refusal("supervisor lost")
        record["started_at"] = started.get("started_at")
        record["receipt"] = job_state.end_leftovers(self._root, entry.name, self._cgroups)
        record["ended_at"] = time.time()
        with contextlib.suppress(FileNotFoundError):
            write_json(f"{self._root.job(entry.name)}/exit.json", record, durable=True)
        self._call(lambda: self._cleaned_up(entry.name))

    def _cleaned_up(self, name: str) -> None:
        self._cleaning_up.discard(name)
        self.examine(name)
