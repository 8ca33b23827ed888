"""The shim: the process around one job, which claims, starts and watches it and writes its end.

It outlives the agent and the service. It holds the job's lock while it lives. It takes the job's
claim before user code runs, so the job starts once at most.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import time

from dispatcher.agent import processes, workdir
from dispatcher.agent.cgroups import Cgroups
from dispatcher.agent.exit_records import exit_record, refusal, with_error
from dispatcher.agent.folders import Root, make_durable, read_json, write_json
from dispatcher.agent.inheritances import InheritanceReader
from dispatcher.agent.job_place import JobPlace
from dispatcher.agent.process_environment import environments, expanded
from dispatcher.agent.process_watch import WAKING, ProcessWatch
from dispatcher.agent.starting.device_locks import DeviceLocks
from dispatcher.agent.starting.spawning import (
    CannotStart,
    command_line,
    interpreter_of,
    start_fresh,
)
from dispatcher.wire.process_identity import boot_id, start_ticks
from dispatcher.wire.sockets import short_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Mapping, Optional, Sequence, Union

    from dispatcher.agent.cgroups import JobGroup
    from dispatcher.agent.starting.shim_group import ShimGroup


DEVICE_SECONDS = 0.2  # between two attempts to get the job's GPUs

_sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)  # created once, before any fork


class ShimContext:
    """What all shims of one fork server share.

    Args:
        root: The agent's root.
        cgroups: The machine's control groups.
        base: The environment that jobs inherit.
        runtime: The folder of the in-run code.
        interpreter: The interpreter that `python` means.
    """

    def __init__(
        self,
        root: Root,
        cgroups: Cgroups,
        base: Dict[str, str],
        runtime: Optional[str],
        interpreter: str,
    ) -> None:
        self.root = root
        self.cgroups = cgroups
        self.base = base
        self.runtime = runtime
        self.interpreter = interpreter
        self.boot_id = boot_id()
        self.inheritances = InheritanceReader(root)
        self.job_files: Optional[int] = None  # soft limit of open files; None: this process's
        self.cpus = os.sched_getaffinity(0)
        self.umask = os.umask(0o077)
        os.umask(self.umask)
        self.group: Optional[ShimGroup] = None  # the group of this process, if it is a shim


class ForkedScript:
    """The script that a forked process has to run, with its arguments and environment."""

    def __init__(self, arguments: List[str], environment: Dict[str, str]) -> None:
        self.arguments = arguments
        self.environment = environment


class Shim:
    """One job from claim to exit record.

    Args:
        context: The state that it shares with other shims.
        order: `name`; `start`, "fork" for a fork, anything else for a fresh interpreter; `note`, a
            warning for the exit record.
        private: Descriptors that a forked script must not inherit.
        alone: Whether this process has this job only, so that a SIGTERM without a request ends it.

    Attributes:
        record: The exit record, once there is one.
        has_notified: Whether the agent has received the report of the end.
    """

    def __init__(
        self,
        context: ShimContext,
        order: Mapping[str, Any],
        private: Sequence[int] = (),
        alone: bool = False,
    ) -> None:
        self._context = context
        self._private = private
        self._alone = alone
        self._name: str = order["name"]
        self._forks = order.get("start") == "fork"
        self._note: Optional[str] = order.get("note")
        self._folder = context.root.job(self._name)
        self._base: Mapping[str, str] = context.base
        self._nice: Optional[int] = None
        self._pids: Dict[int, int] = {}
        self._logs: Dict[int, str] = {}
        self.record: Optional[Dict[str, Any]] = None
        self.has_notified = False
        self._descriptors: List[int] = []
        self._devices = DeviceLocks(())
        self._group: Union[JobGroup, ShimGroup] = context.cgroups.existing(self._name)
        self.pid = os.getpid()

    def run(self) -> Optional[ForkedScript]:
        """Run the job; afterwards `record` is its exit record, or None if another shim had the job.

        Returns:
            In a forked process the script to run, in the shim None.
        """
        signal.pthread_sigmask(signal.SIG_BLOCK, WAKING)
        processes.become_subreaper()
        if not self._claim():
            return None
        job = read_json(f"{self._folder}/job.json")
        self._started_at = time.time()
        if read_json(f"{self._folder}/stop") is not None:
            self._close(refusal("stopped"))
            return None
        try:
            if job is None:
                raise CannotStart("job.json cannot be read")
            if not self._devices_are_free(job):
                self._close(refusal("stopped"))
                return None
            self._started_at = time.time()
            self._prepare(job)
            leader = self._start(job)
        except (CannotStart, OSError) as error:
            self._group.remove()
            self._close(refusal(f"cannot start: {error}"))
            return None
        if leader is not None:
            return leader
        self._report_started()
        if not self._group.is_limited:
            self._group.add(self._pids)
        self._watch(job)
        return None

    def _devices_are_free(self, job: Mapping[str, Any]) -> bool:
        """Hold the locks of the job's GPUs; False if it is stopped while another job holds one."""
        self._devices = DeviceLocks(job.get("device_locks") or ())

        if self._devices.take():
            return True
        self._write_lock({"shim": self.pid, "waits": True})  # the job does not count as alive yet
        place = JobPlace(self._context.root, self._name, self._descriptors[0])
        is_free = self._devices.wait(lambda: self._pause(place))
        self._context.root, self._folder = place.root, place.folder
        return is_free

    def _pause(self, place: JobPlace) -> bool:
        """Wait a moment, or for a signal; returns whether the job is still to start."""
        received = signal.sigtimedwait(WAKING, DEVICE_SECONDS)
        place.follow()
        is_ended = received is not None and received.si_signo in (signal.SIGTERM, signal.SIGINT)
        if place.is_deleted or (self._alone and is_ended):
            return False
        return read_json(f"{place.folder}/stop") is None

    def release(self) -> None:
        """Release the locks; the end of the process releases them, too."""
        self._devices.release()
        while self._descriptors:
            os.close(self._descriptors.pop())

    def _claim(self) -> bool:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        lock = os.open(f"{self._folder}/lock", flags, 0o600)
        self._descriptors.append(lock)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        if not self._context.root.claim(self._name, f"{self._folder}/lock"):
            return False
        self._write_lock({"shim": self.pid})
        return True

    def _write_lock(self, state: Dict[str, Any]) -> None:
        """Write into the lock file which shim has the job, and later which processes it started."""
        os.pwrite(self._descriptors[0], json.dumps(state).encode(), 0)

    def _inherit(self, job: Mapping[str, Any]) -> None:
        """Take over what the job's processes inherit from the submitter."""
        context = self._context
        inheritance = context.inheritances.get(job.get("inherits"))
        if inheritance is None and job.get("inherits"):
            self._note = "what the run inherits is lost: it has the environment of its node"
        self._base = context.base if inheritance is None else dict(inheritance.variables)
        self._nice = None if inheritance is None else inheritance.nice
        umask = None if inheritance is None else inheritance.umask
        os.umask(context.umask if umask is None else umask)
        cpus = set(inheritance.cpus) if inheritance is not None else set()
        if (cpus or context.cpus) != os.sched_getaffinity(0):
            try:
                os.sched_setaffinity(0, cpus or context.cpus)
            except OSError:  # none of them is there any more, or the node may not use them
                os.sched_setaffinity(0, context.cpus)

    def _prepare(self, job: Mapping[str, Any]) -> None:
        self._inherit(job)
        snapshot = job.get("snapshot")
        cached = os.path.join(self._context.root.snapshots, snapshot) if snapshot else None
        workdir.fill(f"{self._folder}/work", cached)
        os.chdir(f"{self._folder}/work")
        self._join(job.get("memory_mb"))
        self._oom_before = self._group.oom_kills()

    def _join(self, memory_mb: Optional[int]) -> None:
        shared, cgroups = self._context.group, self._context.cgroups
        if shared is None or (memory_mb is not None and cgroups.can_limit_memory):
            self._group = cgroups.job(self._name, memory_mb)
            if shared is not None:
                shared.end()
        else:
            shared.enter()
            self._group = shared

    def _start(self, job: Mapping[str, Any]) -> Optional[ForkedScript]:
        context = self._context
        ranks = job.get("ranks") or [{"rank": 0}]
        variables = {**self._base, **(job.get("env") or {})}
        interpreter = interpreter_of(job.get("interpreter"), context.interpreter, variables)
        each = environments(job, self._base, self._folder, context.runtime, interpreter)
        for position, rank in enumerate(ranks):
            environment = each[position]
            number = int(rank.get("rank", 0))
            arguments = expanded([str(a) for a in job.get("arguments") or ()], environment)
            command = command_line(job, interpreter, arguments)
            log = self._open_log(number, alone=len(ranks) == 1 and not job.get("world"))
            if self._forks:
                pid = os.fork()
                if pid == 0:
                    self._enter(log)
                    processes.set_nice(0, self._nice)
                    return ForkedScript(command, environment)
            else:
                pid = self._spawn(command, environment, log)
                processes.set_nice(pid, self._nice)
            os.close(log)
            self._pids[pid] = number
        return None

    def _spawn(self, command: List[str], environment: Dict[str, str], log: int) -> int:
        try:
            if self._group.is_limited and not self._group.enter():
                raise CannotStart("its memory limit cannot be set")
            return start_fresh(command, environment, log)
        except CannotStart:
            processes.send(self._pids, signal.SIGKILL)  # a gang starts whole or not at all
            for pid in self._pids:
                os.waitpid(pid, 0)
            raise
        finally:
            if self._group.is_limited:
                self._group.leave()

    def _enter(self, log: int) -> None:
        """In a forked process: detach from the shim before user code runs."""
        os.setsid()
        processes.die_with_parent(signal.SIGKILL)
        if os.getppid() != self.pid:
            os._exit(1)
        if self._group.is_limited and not self._group.enter():
            os.write(log, b"dispatcher: its memory limit cannot be set\n")
            os._exit(1)
        empty = os.open(os.devnull, os.O_RDONLY)
        os.dup2(empty, 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        self._devices.release()  # this process's copies: the shim's go on holding the locks
        for descriptor in (empty, log, *self._descriptors, *self._private):
            os.close(descriptor)

    def _open_log(self, rank: int, alone: bool) -> int:
        suffix = "" if alone else f"_process_{rank}"
        path = self._logs[rank] = f"{self._folder}/std_log{suffix}.txt"
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)

    def _report_started(self) -> None:
        first = min(self._pids, key=lambda pid: self._pids[pid])
        ticks = {str(pid): start_ticks(pid) for pid in self._pids}
        state = {
            "pid": first,
            "pgid": first,
            "started_at": self._started_at,
            "boot_id": self._context.boot_id,
            "start_ticks": ticks[str(first)],
            "cgroup": self._group.path,
            "pids": list(self._pids),
            "ticks": ticks,
            "shim": self.pid,
        }
        self._write_lock(state)
        report = {"name": self._name, "pid": first, "started_at": self._started_at}
        notify_agent(self._context.root, report)

    def _watch(self, job: Mapping[str, Any]) -> None:
        ranks = dict(self._pids)
        place = JobPlace(self._context.root, self._name, self._descriptors[0])
        watch = ProcessWatch(ranks, self._group, job, place, self._alone)
        watch.until_gone()
        place.follow()
        self._context.root, self._folder = place.root, place.folder
        self._logs = {rank: place.moved(path) for rank, path in self._logs.items()}
        self._devices.release()
        oom = self._group.oom_kills() > self._oom_before
        self._group.remove()
        limit = job.get("memory_mb")
        record = exit_record(watch, self._started_at, self._logs, oom, limit)
        self._close(with_error(record, self._folder))

    def _close(self, record: Dict[str, Any]) -> None:
        """Write the exit record, tell the agent, and then make the record durable.

        The disk would delay every end, and the next job. Until the service has stored the end,
        nobody was told of it; a power cut in between leaves a job whose end is unknown, as a power
        cut just before the end does.
        """
        if self._note:
            record["warnings"] = [self._note]
        path = f"{self._folder}/exit.json"
        self.record = record
        try:
            write_json(path, record)
        except FileNotFoundError:  # its folder was deleted from outside: there is no one to tell
            return
        self.has_notified = notify_agent(self._context.root, {"name": self._name, "exited": True})
        make_durable(path)


def notify_agent(root: Root, event: Mapping[str, Any]) -> bool:
    """Send the agent a report; False if it cannot receive it: then it notices later by itself."""
    try:
        with short_path(root.events) as path:
            _sender.sendto(json.dumps(event).encode(), socket.MSG_DONTWAIT, path)
    except OSError:
        return False
    return True
