"""The fork server: imports modules once, then forks one shim per job.

Started as `python -c "from dispatcher.agent.forker import main; main()" FD CONFIG`, never as a main
module, because a forked script takes that one's place. It has one thread and does nothing but fork.
On the socket FD (SOCK_SEQPACKET) come orders, `{"name", "start", "note"}`; back go one
`{"ready", "error", "modules"}` and then `{"dead": [names]}` for shims that have ended without
telling the agent themselves. When the agent is gone it ends, and the shims go on.
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

from dispatcher.agent import AT_START, becoming, processes
from dispatcher.agent.cgroups import Cgroups
from dispatcher.agent.folders import Root, write_json
from dispatcher.agent.shim import Leader, Place, Shim
from dispatcher.agent.watch import WAKING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional

_LARGEST = 1 << 16
_WARM_UPS = 6
CODE = "from dispatcher.agent.forker import main; main()"


def main() -> None:
    """Serve until the agent is gone. In a forked process: become the script, and do not return."""
    sock = socket.socket(fileno=int(sys.argv[1]))
    config = json.loads(sys.argv[2])
    signal.pthread_sigmask(signal.SIG_BLOCK, WAKING)
    error = _preload(config["preload"])
    told = {"ready": not error, "error": error, "modules": _shadowing()}
    try:
        sock.send(json.dumps(told).encode())
    except OSError:
        return  # the agent is gone already
    if error:
        return
    place = _place(config)
    with contextlib.suppress(OSError):
        _warm_up(place)
    gc.collect()
    gc.freeze()
    gc.disable()
    leader = _Forker(sock, place).serve()
    if leader is not None:
        preloaded = frozenset(sys.modules)
        becoming.run_script(leader.arguments, leader.environment, preloaded)


def _place(config: Dict[str, Any]) -> Place:
    base = dict(os.environ)
    base.pop("PYTHONPATH", None)
    base.pop("PYTHONUNBUFFERED", None)
    base.update(config["base"])
    cgroups = Cgroups(**config["cgroups"])
    return Place(Root(config["root"]), cgroups, base, config["runtime"], config["interpreter"])


def _warm_up(place: Place) -> None:
    """Run a few jobs here that do nothing: what they fill and touch, each fork has at once.

    It spares every shim a fifth of its page faults.
    """
    folder = os.path.join(place.root.trash, f"warm.{os.getpid()}")
    scratch = Place(Root(folder), place.cgroups, place.base, place.runtime, place.interpreter)
    scratch.root.prepare()
    for number in range(_WARM_UPS):
        name = f"warm-up-{os.getpid()}-{number}"
        os.mkdir(scratch.root.job(name))
        job = {"name": name, "command": "exit 0"}
        write_json(f"{scratch.root.job(name)}/job.json", job)
        shim = Shim(scratch, {"name": name})
        shim.run()
        shim.release()
    processes.become_subreaper(False)
    os.chdir("/")
    _delete(folder)


def _delete(folder: str) -> None:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                _delete(entry.path)
            else:
                os.unlink(entry.path)
    os.rmdir(folder)


def _preload(names: List[str]) -> Optional[str]:
    """Import the modules; say what is wrong if that fails or makes forking unsafe."""
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
    """The names at the top of a snapshot that a forked script would not get its own module for."""
    ours = {name.partition(".")[0] for name in sys.modules if name not in AT_START}
    return sorted({*ours, "dispatcher"} - {"__main__"})


class _Forker:
    def __init__(self, sock: socket.socket, place: Place) -> None:
        self._socket = sock
        self._place = place
        self._shims: Dict[int, str] = {}
        self._ended = processes.signal_descriptor(signal.SIGCHLD)

    def serve(self) -> Optional[Leader]:
        """Fork for each order. Returns when the agent is gone, and in a forked script's process."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        poll.register(self._ended, select.POLLIN)
        while True:
            for descriptor, _ in poll.poll():
                if descriptor == self._ended:
                    self._reap()
                    continue
                order = self._receive()
                if not order:
                    return None
                pid = os.fork()
                if pid == 0:
                    return self._shim(json.loads(order))
                self._shims[pid] = json.loads(order)["name"]

    def _receive(self) -> bytes:
        try:
            return self._socket.recv(_LARGEST)
        except ConnectionResetError:  # the agent died with something of ours unread
            return b""

    def _shim(self, order: Dict[str, Any]) -> Optional[Leader]:
        os.setsid()
        self._socket.close()
        os.close(self._ended)
        shim = Shim(self._place, order)
        try:
            leader = shim.run()
        except BaseException:
            if os.getpid() != shim.pid:
                raise
            sys.excepthook(*sys.exc_info())
            os._exit(1)
        if leader is None:
            os._exit(0 if shim.has_told else 1)
        return leader

    def _reap(self) -> None:
        try:
            os.read(self._ended, 4096)
        except BlockingIOError:
            return
        dead = []
        while self._shims:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            name = self._shims.pop(pid, None)
            if name is not None and status:
                dead.append(name)
        for start in range(0, len(dead), 100):
            try:
                self._socket.send(json.dumps({"dead": dead[start : start + 100]}).encode())
            except OSError:
                return  # the agent is gone: the next read says so
