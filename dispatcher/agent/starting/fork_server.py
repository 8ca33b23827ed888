"""The fork server: imports modules once, then forks one shim per job.

It is started as `python -c CODE FD CONFIG RUNTIME`, never as the main module, because a forked
script replaces that module. It has one thread.
The socket FD (SOCK_SEQPACKET) carries orders `{"name", "start", "note"}` to it. It sends one
`{"ready", "error", "modules"}`, and then `{"dead": [names]}` for shims that have ended without
reporting to the agent. When the agent has ended it ends, and the shims continue.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys

from dispatcher.agent import AT_START, processes
from dispatcher.agent.cgroups import Cgroups
from dispatcher.agent.file_limit import set_file_limit
from dispatcher.agent.folders import Root
from dispatcher.agent.origin import PRIVATE_PACKAGE
from dispatcher.agent.process_watch import WAKING
from dispatcher.agent.starting import forked_main
from dispatcher.agent.starting.rehearsal import warm_up
from dispatcher.agent.starting.shim import ForkedScript, Shim, ShimContext
from dispatcher.agent.starting.shim_group import ShimGroup

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional

_MAX_MESSAGE = 1 << 16
_MAX_IDLE = 16
_MAX_JOBS = 200  # of one shim, so that its memory does not grow without bound
# The third argument is the runtime. A path with a colon does not fit into PYTHONPATH.
CODE = (
    "import sys; sys.path.insert(1, sys.argv[3]); "
    f"from {PRIVATE_PACKAGE}.agent.starting.fork_server import main; main()"
)


def main() -> None:
    """Serve until the agent has ended. In a forked process: run the script, and do not return."""
    sock = socket.socket(fileno=int(sys.argv[1]))
    config = json.loads(sys.argv[2])
    signal.pthread_sigmask(signal.SIG_BLOCK, WAKING)
    error = _preload(config["preload"])
    greeting = {"ready": not error, "error": error, "modules": _shadowing()}
    try:
        sock.send(json.dumps(greeting).encode())
    except OSError:
        return  # the agent has ended already
    if error:
        return
    inherited = dict(os.environ)
    context = _context(config, inherited)
    with contextlib.suppress(OSError):
        warm_up(context)
    gc.collect()
    gc.freeze()
    gc.disable()
    forked_main.reset_signals()
    preloaded = frozenset(sys.modules)
    leader = _ForkServerLoop(sock, context).serve()
    if leader is not None:
        forked_main.run_script(leader.arguments, leader.environment, inherited, preloaded)


def _context(config: Dict[str, Any], inherited: Dict[str, str]) -> ShimContext:
    base = dict(inherited)
    base.pop("PYTHONPATH", None)
    base.pop("PYTHONUNBUFFERED", None)
    base.update(config["base"])
    cgroups = Cgroups(**config["cgroups"])
    context = ShimContext(
        Root(config["root"]), cgroups, base, config["runtime"], config["interpreter"]
    )
    context.job_files = config.get("job_files")
    return context


def _preload(names: List[str]) -> Optional[str]:
    """Import the modules; returns the reason if that fails or makes forking unsafe."""
    for name in names:
        try:
            importlib.import_module(name)
        except BaseException as error:
            return f"preloading {name} failed: {type(error).__name__}: {error}"
    import _thread

    if _thread._count():
        return f"preloading {', '.join(names)} started a thread, so forking would be unsafe"
    return None


def _shadowing() -> List[str]:
    """The names of modules that a forked script cannot replace by its own."""
    ours = {name.partition(".")[0] for name in sys.modules if name not in AT_START}
    return sorted(ours - {"__main__"})


class _Worker:
    """A process that is the shim of one job after the other; `name` is its present job."""

    __slots__ = ("name", "pid", "socket")

    def __init__(self, pid: int, sock: socket.socket, name: Optional[str]) -> None:
        self.pid = pid
        self.socket = sock
        self.name = name


class _ForkServerLoop:
    """Sends each order to an idle shim, or forks a new one.

    A shim that takes the next job saves a fork and an exit, most of the cost of a short job. It has
    one job at a time, so killing it affects no other job.
    """

    def __init__(self, sock: socket.socket, context: ShimContext) -> None:
        self._socket = sock
        self._context = context
        self._workers: Dict[int, _Worker] = {}
        self._by_socket: Dict[int, _Worker] = {}
        self._idle: List[_Worker] = []
        self._ended = processes.signal_descriptor(signal.SIGCHLD)
        self._poll = select.poll()

    def serve(self) -> Optional[ForkedScript]:
        """Start a job for each order. Returns when the agent ends, and in each forked script."""
        self._poll.register(self._socket, select.POLLIN)
        self._poll.register(self._ended, select.POLLIN)
        while True:
            for descriptor, _ in self._poll.poll():
                if descriptor == self._ended:
                    self._reap()
                elif descriptor in self._by_socket:
                    self._receive_report(self._by_socket[descriptor])
                elif descriptor == self._socket.fileno():
                    order = self._receive()
                    if not order:
                        return None
                    if not self._assign(order):
                        return self._fork(order)

    def _receive(self) -> bytes:
        try:
            return self._socket.recv(_MAX_MESSAGE)
        except ConnectionResetError:  # the agent died before it had read everything
            return b""

    def _assign(self, order: bytes) -> bool:
        """Send the order to an idle shim or to a new one; False in the new shim's process."""
        name = json.loads(order)["name"]
        while self._idle:
            worker = self._idle.pop()
            try:
                worker.socket.send(order)
            except OSError:
                continue  # it was killed, and is reaped soon
            worker.name = name
            return True
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        pid = os.fork()
        if pid == 0:
            ours.close()
            self._order_socket = theirs
            return False
        theirs.close()
        self._workers[pid] = self._by_socket[ours.fileno()] = _Worker(pid, ours, name)
        self._poll.register(ours, select.POLLIN)
        return True

    def _fork(self, order: bytes) -> Optional[ForkedScript]:
        """In a shim's process: run one job after the other, as long as orders come."""
        os.setsid()
        self._socket.close()
        os.close(self._ended)
        for worker in self._workers.values():
            worker.socket.close()
        if self._context.job_files is not None:
            set_file_limit(self._context.job_files)
        group = self._context.group = ShimGroup(self._context.cgroups)
        for remaining in reversed(range(_MAX_JOBS)):
            shim = Shim(self._context, json.loads(order), private=[self._order_socket.fileno()])
            leader = _run(shim)
            if leader is not None:
                self._order_socket.detach()
                return leader
            shim.release()
            os.chdir("/")
            # After its last job the shim asks for no order: it would not carry it out.
            order = self._next(shim.has_notified) if remaining else b""
            if not order:
                group.end()
                os._exit(0)
        return None

    def _next(self, has_notified: bool) -> bytes:
        """Report the end of the job, and wait for the next order; empty if none will come."""
        try:
            self._order_socket.send(b"1" if has_notified else b"0")
            return self._order_socket.recv(_MAX_MESSAGE)
        except OSError:
            return b""  # the fork server has ended, and with it the agent

    def _receive_report(self, worker: _Worker) -> None:
        """Apply a shim's report that its job has ended."""
        try:
            report = worker.socket.recv(16)
        except OSError:
            report = b""
        if not report:
            self._remove(worker.socket)  # the shim is ending; reaping shows how
            return
        name, worker.name = worker.name, None
        if report == b"0" and name is not None:
            self._report_dead([name])
        if len(self._idle) < _MAX_IDLE:
            self._idle.append(worker)
        else:
            self._remove(worker.socket)

    def _remove(self, sock: socket.socket) -> None:
        worker = self._by_socket.pop(sock.fileno(), None)
        if worker is not None:
            self._poll.unregister(sock)
            sock.close()
            if worker in self._idle:
                self._idle.remove(worker)

    def _reap(self) -> None:
        try:
            os.read(self._ended, 4096)
        except BlockingIOError:
            return
        dead = []
        while self._workers:
            pid, _status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            worker = self._workers.pop(pid, None)
            if worker is None:
                continue
            if worker.socket.fileno() >= 0:
                self._drain(worker)
            if worker.name is not None:
                dead.append(worker.name)
        self._report_dead(dead)

    def _drain(self, worker: _Worker) -> None:
        """Read a shim's reports after its end: a job that it had finished counts as finished."""
        with contextlib.suppress(OSError):
            if worker.socket.recv(16, socket.MSG_DONTWAIT) == b"1":
                worker.name = None
        self._remove(worker.socket)

    def _report_dead(self, names: List[str]) -> None:
        for start in range(0, len(names), 100):
            try:
                self._socket.send(json.dumps({"dead": names[start : start + 100]}).encode())
            except OSError:
                return  # the agent has ended: the next read reports it


def _run(shim: Shim) -> Optional[ForkedScript]:
    try:
        return shim.run()
    except BaseException:
        if os.getpid() != shim.pid:
            raise
        sys.excepthook(*sys.exc_info())
        os._exit(1)
