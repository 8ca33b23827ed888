"""The node agent: the operations that a target calls on one machine (docs/protocol.md, section 3).

The state of jobs is on disk and in the process table. An agent that is killed at any line and
started again finds the same state. Its methods may be called from any thread and return at once;
its event loop (loop.py) starts jobs and examines them.
"""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import signal
import sys
import threading
import uuid

from dispatcher.agent import cgroups, job_state, runtime
from dispatcher.agent.builds.build_logs import BuildLogs
from dispatcher.agent.builds.environment_cache import BuildFailure, EnvironmentCache
from dispatcher.agent.builds.pending_builds import PendingBuilds
from dispatcher.agent.folders import Root, check_name, read_json, write_json
from dispatcher.agent.job_monitor import JobMonitor
from dispatcher.agent.job_starter import JobStarter
from dispatcher.agent.job_table import JobEntry, JobTable
from dispatcher.agent.lease import Lease
from dispatcher.agent.loop import Loop
from dispatcher.agent.origin import is_runtime, own_path
from dispatcher.agent.process_environment import inherited
from dispatcher.agent.remover import Remover
from dispatcher.agent.root_lock import identity_of, is_lost, lock_root
from dispatcher.agent.shipping.shipper import DEFAULT_LOG_LIMIT, Shipper
from dispatcher.agent.shipping.telemetry_source import TelemetrySource
from dispatcher.agent.snapshot_cache import SnapshotCache
from dispatcher.agent.starting.fork_server_pool import ForkServerPool
from dispatcher.wire.jobs import decode_job

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Iterable, Mapping, Optional, Tuple

    Observation = Dict[str, Any]

log = logging.getLogger(__name__)


class NodeAgent:
    """Starts jobs on this machine, and reports their states.

    Args:
        root: The agent's folder; a later agent on it finds all jobs again.
        interpreter: The interpreter that `python` means for jobs; default: the agent's own.
        agent_id: The agent's id; default: generated once and stored in the root.
        environ: The environment that jobs inherit; default: the agent's own.
        existing: Do not create the root: it may have been moved.
        job_files: The soft limit of open files of jobs; default: the agent's own.
    """

    def __init__(
        self,
        root: str,
        interpreter: Optional[str] = None,
        agent_id: Optional[str] = None,
        environ: Optional[Mapping[str, str]] = None,
        existing: bool = False,
        job_files: Optional[int] = None,
    ) -> None:
        self.root = Root(root, existing)
        self.interpreter = interpreter or sys.executable
        self._given_id = agent_id
        self._job_files = job_files
        self._environ = os.environ if environ is None else environ
        self._lock = threading.RLock()
        self._closed = threading.Event()
        self._cache_limits: Dict[str, Optional[int]] = {}

    def start(self) -> None:
        """Lock the root, find the jobs of earlier agents, and begin to work.

        Raises:
            AgentIsRunning: Another living agent has the root.
        """
        self.root.prepare()
        self._hold = lock_root(self.root)
        self.agent_id = self._given_id or identity_of(self.root)
        self.cgroups = cgroups.detect(self._label())
        self._build()
        address = read_json(f"{self.root.path}/service.json")
        if address is not None:
            self._apply(address)
        self._remover.start()
        self._monitor.adopt()
        self._listener = self._monitor.listen()
        selector = self._loop.selector
        selector.register(self._listener, selectors.EVENT_READ, self._monitor.receive_events)
        self._starter.start(self._fork_servers)
        self._loop.start()
        self._shipper.start()

    def hello(self) -> Dict[str, Any]:
        """The agent's identity and abilities."""
        from dispatcher import __version__

        return {
            "agent_id": self.agent_id,
            "pid": os.getpid(),
            "root": self.root.path,
            "version": __version__,
            "cpus": len(os.sched_getaffinity(0)),
            "cgroup": self.cgroups.kill is not None,
            "memory_limits": self.cgroups.can_limit_memory,
            "admission_queue": True,
        }

    def configure(
        self,
        service: Optional[Mapping[str, Any]] = None,
        log_limit: Optional[int] = None,
        lease: Optional[float] = None,
        caches: Optional[Mapping[str, Any]] = None,
    ) -> None:
        """Set how the service is reached. A later agent on the root uses it, too.

        Args:
            service: `socket` or `url`, and `token`.
            log_limit: Bytes of each log that the service gets.
            lease: Seconds without `renew` after which all jobs are killed; None: never.
            caches: Bytes of `snapshots` and `environments` that are kept; None: without a limit.
        """
        settings = {"service": service, "log_limit": log_limit, "lease": lease, "caches": caches}
        with self._lock:  # two callers may configure at once, and both write one file
            write_json(f"{self.root.path}/service.json", settings)
        self._apply(settings)

    def submit(self, jobs: Iterable[Mapping[str, Any]]) -> None:
        """Start jobs in this order; a job whose name was ever started is left as it is.

        A job in the admission queue starts at once if it is sent again without `cpu_budget`.

        Raises:
            ValueError: A job is malformed; the text names field and value. No job is accepted.
        """
        accepted = [(check_name(job.get("name")), _checked(job)) for job in jobs]
        new = []
        with self._lock:
            for name, job in accepted:
                known = self._table.get(name)
                if known is None and not self.root.is_claimed(name):
                    self._table.add(JobEntry(name, job))
                    new.append(name)
                elif (
                    known is not None
                    and known.job.get("cpu_budget")
                    and job.get("cpu_budget") is None
                ):
                    known.job = {**known.job, "cpu_budget": None}
                    new.append(name)
        self._starter.launch(new)

    def observe(self, names: Optional[Iterable[str]] = None) -> Dict[str, Observation]:
        """The observations of the named jobs, or of all jobs."""
        with self._lock:
            observed = list(self._table) if names is None else names
            return {name: self._table.observe(name) for name in observed}

    def subscribe(self, callback: Callable[[Observation], None]) -> Callable[[], None]:
        """Call back with each new observation, from any thread; the callback must not block.

        Returns:
            A function that ends the subscription.
        """
        return self._table.subscribe(callback)

    def stop(self, names: Iterable[str], grace: float = 10.0) -> None:
        """Send SIGTERM to all processes of each job, SIGKILL after `grace` seconds.

        A job that has not started is withdrawn: it never will.
        """
        for name in names:
            self._stop(check_name(name), grace)

    def remove(self, names: Iterable[str]) -> None:
        """Delete the folders of ended jobs, once their telemetry is with the service."""
        for name in names:
            with self._lock:
                entry = self._table.get(check_name(name))
                if entry is None or entry.state != job_state.EXITED or not entry.published:
                    continue
                self._table.drop(name)
            if self._shipper.has_pending(name):
                with contextlib.suppress(OSError):
                    write_json(f"{self.root.job(name)}/removed", {})
            else:
                self._remover.remove(name)

    @property
    def has_work(self) -> bool:
        """Whether there is a job that has not ended."""
        return any(entry.state != job_state.EXITED for entry in self._table.entries())

    @property
    def has_lost_root(self) -> bool:
        """Whether the root was moved or deleted."""
        return is_lost(self.root, self._hold)

    def renew(self) -> None:
        """Renew the lease, if there is one."""
        self._lease.renew()

    def close(self) -> None:
        """Stop the agent. Jobs continue, and the next agent on the root adopts them."""
        if not self._closed.is_set():
            self._closed.set()
            self._loop.stop()
            self._fork_servers.close()
            self._listener.close()
            self._snapshots.close()
            self._environments.close()
            self._build_logs.close()
            self._shipper.close()
            self._remover.close()
            self.cgroups.close()
            os.close(self._hold)

    def _build(self) -> None:
        self._table = JobTable(self.root, self._lock)
        self._lease = Lease(self.root)
        self._remover = Remover(self.root)
        self._loop = Loop(self._tick)
        sources = TelemetrySource(self.root, self._table.warn)
        self._shipper = Shipper(sources, self._table.publish, self._shipped)
        self._snapshots = SnapshotCache(self.root.snapshots, self._snapshot_is_here)
        self._monitor = JobMonitor(
            self.root,
            self._table,
            self._shipper,
            self.cgroups,
            self._loop.call,
            lambda: self._starter.admit(),
        )
        self._build_logs = BuildLogs(self.root.builds)
        self._environments = EnvironmentCache(
            self.root.environments,
            self.interpreter,
            inherited(self._environ, own_path()),
            lambda name: self._pending_builds.is_wanted(name),
            self._environment_is_here,
        )
        self._pending_builds = PendingBuilds(
            self._table,
            self._environments,
            self._build_logs,
            self._environ.get("PATH", os.defpath),
            self._loop.call,
        )
        self._starter = JobStarter(
            self.root,
            self.interpreter,
            self._table,
            self._loop,
            self._snapshots,
            self._pending_builds,
            self._monitor.examine,
            inherited(self._environ, own_path()),
        )
        config, environment = self._fork_server_config()
        self._fork_servers = ForkServerPool(
            self._loop.selector,
            config,
            environment,
            on_dead=self._monitor.shims_ended,
            on_ready=self._starter.fork_server_ready,
            on_gone=self._starter.fork_server_lost,
        )

    def _fork_server_config(self) -> Tuple[Dict[str, Any], Dict[str, str]]:
        base = inherited(self._environ, own_path())
        own = own_path()
        if os.path.isdir(own) and is_runtime(own):  # as in a container: jobs import this folder
            folder = own
        else:
            folder = runtime.materialise(self.root.runtime, self.interpreter)
        path = base.get("PYTHONPATH")
        config = {
            "root": self.root.path,
            "runtime": folder,
            "interpreter": self.interpreter,
            "cgroups": self.cgroups.as_record(),
            "job_files": self._job_files,
            "base": {"PYTHONPATH": path} if path else {},
        }
        base["PYTHONUNBUFFERED"] = "1"
        return config, base

    def _label(self) -> str:
        path = os.fsencode(self.root.path).decode("utf-8", "backslashreplace")
        return f"dispatcher-{uuid.uuid5(uuid.NAMESPACE_URL, path).hex[:12]}"

    def _tick(self) -> None:
        if not self._lease.keep():
            self._monitor.wake_shims()
        self._monitor.check_jobs(self._fork_servers.keys())
        self._starter.admit()
        self._shipper.publish_overdue()

    def _snapshot_is_here(self, snapshot: str, error: Optional[str]) -> None:
        self._loop.call(lambda: self._starter.snapshot_is_here(snapshot, error))
        self._loop.call(self._evict)

    def _environment_is_here(self, name: str, failure: Optional[BuildFailure]) -> None:
        self._loop.call(lambda: self._starter.environment_is_here(name, failure))
        self._loop.call(self._evict)

    def _evict(self) -> None:
        """Bring the caches within their limits. Jobs begin to use them on this loop alone."""
        jobs = [e.job for e in self._table.entries() if e.state != job_state.EXITED]
        in_use = {str(job["snapshot"]) for job in jobs if job.get("snapshot")}
        used = {str(job["interpreter"]) for job in jobs if job.get("interpreter")}
        used |= {self._environments.name_of(job) for job in jobs if job.get("environment")}
        used |= {key.interpreter for key in self._fork_servers.keys()}  # noqa: SIM118
        limits, trash = self._cache_limits, self.root.trash
        folders = [
            *self._snapshots.evict(limits.get("snapshots"), in_use, trash),
            *self._environments.evict(limits.get("environments"), used, trash),
        ]
        for folder in folders:
            log.info("removed from a cache that is larger than its limit: %s", folder)
            self._remover.delete(folder)

    def _apply(self, settings: Mapping[str, Any]) -> None:
        service = settings.get("service")
        limit = settings.get("log_limit")
        limit = DEFAULT_LOG_LIMIT if limit is None else int(limit)
        self._shipper.configure(service, limit)
        self._build_logs.configure(service, limit)
        for name in self._shipper.withhold_ends():
            self._table.withhold(name)
        self._snapshots.configure(service)
        self._cache_limits = dict(settings.get("caches") or {})
        self._loop.call(self._evict)
        if self._lease.set(settings.get("lease")):
            self._loop.call(self._monitor.wake_shims)

    def _stop(self, name: str, grace: float) -> None:
        folder = self.root.job(name)
        with self._lock:
            entry = self._table.get(name)
            if entry is None:
                self.root.claim(name)  # a job of that name that arrives later will not start
                return
        if entry.state == job_state.CREATED and job_state.withdraw(self.root, name, "stopped"):
            self._loop.call(lambda: self._monitor.examine(name))
        elif entry.state != job_state.EXITED:
            with contextlib.suppress(FileNotFoundError):
                write_json(f"{folder}/stop", {"grace": grace})
                job_state.signal_shim(folder, signal.SIGTERM)

    def _shipped(self, name: str) -> None:
        """All telemetry of a job is with the service: delete its folder if it was removed."""
        if os.path.exists(f"{self.root.job(name)}/removed"):
            self._remover.remove(name)


def _checked(job: Mapping[str, Any]) -> Dict[str, Any]:
    """The encoded job, if it can be decoded. A job of no run has no run and attempt."""
    decode_job({"run_id": "", "attempt": 0, **job})
    return dict(job)
