"""Gives jobs to fork servers, once their environment and snapshot are on the node."""

from __future__ import annotations

import logging
import os
import sys
from collections import defaultdict, deque

from dispatcher.agent.admission_queue import AdmissionQueue
from dispatcher.agent.folders import Root, make_folder, write_json
from dispatcher.agent.inheritances import InheritanceReader
from dispatcher.agent.job_state import CREATED, withdraw
from dispatcher.agent.starting.fork_server_pool import ForkServerPool
from dispatcher.agent.starting.start_method import (
    ForkServerKey,
    differences,
    fresh_reason,
    key_of,
    own_modules,
    own_standard_modules,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Deque, Dict, FrozenSet, List, Mapping, Optional, Tuple

    from dispatcher.agent.builds.environment_cache import BuildFailure
    from dispatcher.agent.builds.pending_builds import PendingBuilds
    from dispatcher.agent.job_table import JobEntry, JobTable
    from dispatcher.agent.loop import Loop
    from dispatcher.agent.snapshot_cache import SnapshotCache

log = logging.getLogger(__name__)
_AT_ONCE = 32
_MAX_DIFFERENCES = 64


class JobStarter:
    """Starts jobs. All methods but `launch` run in the agent's thread.

    Args:
        root: The agent's root.
        interpreter: The interpreter that `python` means for jobs.
        table: The jobs.
        loop: The agent's thread.
        snapshots: The node's snapshots.
        pending_builds: The jobs that wait for an environment.
        examine: Called with the name of a job that was refused here.
        variables: Those that jobs inherit from the agent.
    """

    def __init__(
        self,
        root: Root,
        interpreter: str,
        table: JobTable,
        loop: Loop,
        snapshots: SnapshotCache,
        pending_builds: PendingBuilds,
        examine: Callable[[str], None],
        variables: Mapping[str, str],
    ) -> None:
        self._root, self._interpreter = root, interpreter
        self._table, self._loop, self._snapshots = table, loop, snapshots
        self._pending_builds = pending_builds
        self._examine = examine
        self._variables = variables
        self._inheritances = InheritanceReader(root)
        self._differences: Dict[str, Dict[str, Optional[str]]] = {}
        self._admission_queue = AdmissionQueue(table, self._prepare)
        self._queue: Deque[str] = deque()
        self._for_snapshot: Dict[str, List[str]] = defaultdict(list)
        self._for_fork_server: Dict[ForkServerKey, List[str]] = defaultdict(list)
        self._own_modules: Dict[Tuple[str, str], Tuple[FrozenSet[str], FrozenSet[str]]] = {}
        self._plain = ForkServerKey(sys.executable, (), ())
        self._fork_servers: Optional[ForkServerPool] = None

    def start(self, fork_servers: ForkServerPool) -> None:
        """Begin. The plain fork server is started at once, because any job may need it."""
        self._fork_servers = fork_servers
        self._admission_queue.adopt()
        fork_servers.get(self._plain)

    def launch(self, names: List[str]) -> None:
        """Start jobs in this order as soon as possible. From any thread; returns at once."""
        self._queue.extend(names)
        self._loop.call(self._work)

    def snapshot_is_here(self, snapshot: str, error: Optional[str]) -> None:
        """Start the jobs that waited for a snapshot, or end them if it cannot be fetched."""
        names = self._for_snapshot.pop(snapshot, [])
        if error is None:
            self.launch(names)
            return
        for name in names:
            self._refuse(name, f"cannot start: snapshot {snapshot}: {error}")

    def environment_is_here(self, environment: str, failure: Optional[BuildFailure]) -> None:
        """Start the jobs that waited for an environment, or end them if its build failed."""
        self._pending_builds.done(environment, failure, self.launch, self._refuse)

    def fork_server_ready(self, key: ForkServerKey) -> None:
        """Start the jobs that waited for a fork server, also if it could not start."""
        self.launch(self._for_fork_server.pop(key, []))

    def fork_server_lost(self, key: ForkServerKey) -> None:
        """Start again the jobs that a fork server may not have started."""
        again = [e.name for e in self._table.entries() if e.key == key and e.state == CREATED]
        for name in again:
            entry = self._table.get(name)
            if entry is not None:
                entry.key = None
        self.launch([*self._for_fork_server.pop(key, []), *again])

    def admit(self) -> None:
        """Start the prefetched jobs whose CPUs a job's end has freed."""
        self._admission_queue.admit()

    def _work(self) -> None:
        for _ in range(min(_AT_ONCE, len(self._queue))):
            entry = self._table.get(self._queue.popleft())
            if entry is not None and entry.state == CREATED and entry.key is None:
                self._prepare(entry)
        if self._queue:
            self._loop.call(self._work)  # events that came meanwhile are handled first

    def _prepare(self, entry: JobEntry) -> None:
        if entry.job.get("cpu_budget") is None:
            self._admission_queue.occupy(entry)  # it holds its CPUs while it is prepared, too
        if entry.job.get("environment") is not None and not self._pending_builds.is_ready(entry):
            return
        job = entry.job
        snapshot: Optional[str] = job.get("snapshot")
        if snapshot is not None and not self._snapshots.has(snapshot):
            self._for_snapshot[snapshot].append(entry.name)
            self._snapshots.fetch(snapshot)
            return
        key = self._choose(entry)
        if key is None or self._admission_queue.must_wait(entry):
            return
        try:
            folder = self._root.job(entry.name)
            make_folder(folder)
            write_json(f"{folder}/job.json", job)
        except OSError as error:
            self._refuse(entry.name, f"cannot start: {error}")
            return
        self._dispatch(entry, key)

    def _choose(self, entry: JobEntry) -> Optional[ForkServerKey]:
        """The key of the fork server for a job; None while that one is still starting."""
        job = entry.job
        key = key_of(job, self._interpreter, self._inherited(job))
        if fresh_reason(job, key, self._interpreter) is not None or self._fork_servers is None:
            return self._plain
        fork_server = self._fork_servers.get(key)
        if fork_server is None:
            entry.note = f"started fresh: {self._fork_servers.why_broken(key)}"
            return self._plain
        if fork_server.ready is None:
            self._for_fork_server[key].append(entry.name)
            return None
        own, standard = self._modules_of(job)
        shadowed = own & fork_server.modules | standard
        if shadowed:
            if job.get("start") == "fork":
                names = ", ".join(sorted(shadowed))
                entry.note = f"started fresh: the snapshot has its own {names}"
            return self._plain
        entry.note = None
        entry.forks = True
        return key

    def _inherited(self, job: Mapping[str, object]) -> Mapping[str, Optional[str]]:
        """The variables in which what the job inherits differs from the agent's own."""
        digest = str(job.get("inherits") or "")
        if digest not in self._differences:
            inheritance = self._inheritances.get(digest)
            if inheritance is None:
                return {}
            if len(self._differences) >= _MAX_DIFFERENCES:
                self._differences.clear()
            self._differences[digest] = differences(inheritance.variables, self._variables)
        return self._differences[digest]

    def _modules_of(self, job: Mapping[str, object]) -> Tuple[FrozenSet[str], FrozenSet[str]]:
        """The modules of the job's snapshot, and those that hide the standard library's."""
        snapshot, script = job.get("snapshot"), str(job.get("script"))
        if snapshot is None:
            return frozenset(), frozenset()
        where = (str(snapshot), os.path.dirname(script))
        if where not in self._own_modules:
            folder = self._snapshots.path(str(snapshot))
            standard = own_standard_modules(folder, script)
            self._own_modules[where] = own_modules(folder, script), standard
        return self._own_modules[where]

    def _dispatch(self, entry: JobEntry, key: ForkServerKey) -> None:
        fork_server = self._fork_servers.get(key) if self._fork_servers is not None else None
        if fork_server is None:
            self._refuse(entry.name, "cannot start: this node's fork server does not start")
            return
        entry.key = key
        self._admission_queue.occupy(entry)
        start = "fork" if entry.forks else "fresh"
        fork_server.order({"name": entry.name, "start": start, "note": entry.note})

    def _refuse(self, name: str, reason: str, tail: str = "") -> None:
        log.warning("job refused", extra={"job": name, "reason": reason})
        withdraw(self._root, name, reason, tail)
        self._examine(name)
