"""The service's end of the bridge: starts the process, starts it again, and speaks to it.

The bridge runs in an interpreter of the cluster's Python and Ray, where nothing of ours needs to be
installed: its modules go there as one zip.
"""

import hashlib
import json
import logging
import os
import socket
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any

from targets.base import TargetUnavailable

log = logging.getLogger(__name__)
TIMEOUT = 9.5
LONGEST_PAUSE = 10.0
GOOD_AFTER = 20.0
_PARTS = ("ray_bridge", "ray_cluster", "ray_launcher", "ray_node", "ray_nodes", "ray_verbs")
_MAIN = "from targets.ray_bridge import main\n\nmain()\n"
_AT = (1980, 1, 1, 0, 0, 0)
_SKEW = "Set the target's `python` to an interpreter with the cluster's Python and Ray."


class BridgeLink:
    """One bridge, kept alive from the first call until `close`.

    Args:
        command: What starts it, but for its last argument: the descriptor of its socket.
        env: Its environment.
        greeting: What it is told first.
        folder: Where its log goes.
        hear: Called with the observations that it tells of; an empty list: look anew.
    """

    def __init__(
        self,
        command: list[str],
        env: Mapping[str, str],
        greeting: Mapping[str, Any],
        folder: Path,
        hear: Callable[[list[dict[str, Any]]], None],
    ) -> None:
        self._command, self._env, self._greeting = command, dict(env), dict(greeting)
        self._folder, self._hear = folder, hear
        self._lock = threading.Lock()
        self._sending = threading.Lock()
        self._pending: dict[int, Future[dict[str, Any]]] = {}
        self._next = 0
        self._socket: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._trouble = "the bridge is starting"
        self._closed = threading.Event()
        self._is_up = threading.Event()
        self._thread = threading.Thread(target=self._live, name="ray-bridge", daemon=True)
        self._thread.start()

    def ask(self, op: str, **fields: Any) -> dict[str, Any]:
        """One call and its answer, within ten seconds. Raises TargetUnavailable."""
        self._is_up.wait(1.0)
        future: Future[dict[str, Any]] = Future()
        with self._lock:
            if self._socket is None:
                raise TargetUnavailable(self._trouble)
            self._next += 1
            number = self._next
            self._pending[number] = future
        line = json.dumps({"id": number, "op": op, **fields}).encode() + b"\n"
        try:
            with self._sending:
                self._socket.sendall(line)
            return future.result(TIMEOUT)
        except OSError as error:
            raise TargetUnavailable(f"the bridge is gone: {self._trouble}") from error
        except TimeoutError as error:
            raise TargetUnavailable(f"the cluster did not answer {op} in {TIMEOUT:g} s") from error
        finally:
            self._pending.pop(number, None)

    def close(self) -> None:
        """Let the bridge end. Launchers and jobs go on."""
        self._closed.set()
        self._hang_up()
        self._thread.join(5)

    @property
    def pid(self) -> int | None:
        """The process id of the bridge, while there is one."""
        return None if self._process is None else self._process.pid

    def _live(self) -> None:
        """One bridge after the other, with a pause that grows while none of them lasts."""
        pause = 0.1
        while not self._closed.is_set():
            began = time.monotonic()
            try:
                self._serve()
            except OSError as error:
                self._trouble = f"the bridge does not start: {error}"
                log.warning(self._trouble)
            if time.monotonic() - began > GOOD_AFTER:
                pause = 0.1
            self._closed.wait(pause)
            pause = min(LONGEST_PAUSE, pause * 3)

    def _serve(self) -> None:
        """Start a bridge and listen to it until it is gone."""
        ours, theirs = socket.socketpair()
        with ours, theirs, (self._folder / "bridge.log").open("ab") as output:
            process = self._process = subprocess.Popen(
                [*self._command, str(theirs.fileno())],
                env=self._env,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
            theirs.close()
            try:
                ours.sendall(json.dumps(self._greeting).encode() + b"\n")
                self._socket = ours
                self._is_up.set()
                self._listen(ours)
            finally:
                self._lost(process)

    def _listen(self, connection: socket.socket) -> None:
        with suppress(ConnectionError), connection.makefile("rb") as lines:
            for line in lines:
                self._receive(json.loads(line))

    def _receive(self, message: dict[str, Any]) -> None:
        if "event" in message:
            self._hear(message["event"])
        elif "fatal" in message:
            self._trouble = _advised(message["fatal"])
            log.warning("the bridge ends: %s", self._trouble)
        elif future := self._pending.pop(message["id"], None):
            if message["ok"]:
                future.set_result(message)
            else:
                future.set_exception(TargetUnavailable(message["error"]))

    def _lost(self, process: subprocess.Popen[bytes]) -> None:
        """Whoever waits for an answer is told, and that it is time to look anew."""
        with self._lock:
            self._socket = None
            self._is_up.clear()
            pending, self._pending = self._pending, {}
        for future in pending.values():
            future.set_exception(TargetUnavailable(f"the bridge is gone: {self._trouble}"))
        process.kill()
        code = process.wait()
        if self._trouble == "the bridge is starting":
            self._trouble = f"the bridge ended with {code}; see {self._folder}/bridge.log"
        if not self._closed.is_set():
            self._hear([])

    def _hang_up(self) -> None:
        with self._lock, suppress(OSError):
            if self._socket is not None:
                self._socket.shutdown(socket.SHUT_RDWR)


def command(python: str | None, folder: Path) -> list[str]:
    """What starts a bridge; its code is put into the folder."""
    source = Path(__file__).parent
    files = {f"targets/{part}.py": (source / f"{part}.py").read_bytes() for part in _PARTS}
    files |= {"targets/__init__.py": b"", "__main__.py": _MAIN.encode()}
    digest = hashlib.sha256(repr(sorted(files.items())).encode()).hexdigest()[:12]
    path = folder / f"bridge-{digest}.zip"
    if not path.exists():
        making = path.with_suffix(f".{os.getpid()}")
        with zipfile.ZipFile(making, "w") as packed:
            for name, data in files.items():
                packed.writestr(zipfile.ZipInfo(name, _AT), data)
        making.rename(path)
    return [python or sys.executable, str(path)]


def _advised(trouble: str) -> str:
    """What a bridge said last, with the way out where there is one."""
    if "mismatch" in trouble or "No module named" in trouble:
        return f"{trouble}\n{_SKEW}"
    return trouble
