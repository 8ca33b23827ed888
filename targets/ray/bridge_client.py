"""The service's side of the bridge: starts the process, restarts it, and calls it.

The bridge runs in an interpreter with the cluster's Python and Ray. Nothing of ours needs to be
installed there, because its modules are packed into one zip.
"""

import hashlib
import io
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
from pathlib import Path
from typing import Any, BinaryIO

from dispatcher.agent.folders import write_bytes
from dispatcher.wire import rpc
from dispatcher.wire.rpc_client import RpcClient, RpcFailed, RpcTimeout
from targets.base import TargetUnavailable

log = logging.getLogger(__name__)
TIMEOUT = 8.5
HUNG_AFTER = 8.0
SEND_SECONDS = 5.0
_MAX_LOG_BYTES = 1 << 20
MAX_PAUSE = 10.0
GOOD_AFTER = 20.0
_PARTS = (
    "bridge",
    "cluster",
    "node_setup",
    "launcher",
    "placement_groups",
    "remote_node",
    "node_description",
    "cluster_operations",
)
_MAIN = "from targets.ray.bridge import main\n\nmain()\n"
_AT = (1980, 1, 1, 0, 0, 0)
_SKEW = "Set the target's `python` to an interpreter with the cluster's Python and Ray."


class BridgeClient:
    """One bridge, kept running until `close`.

    Args:
        command: The command without its last argument, the descriptor of the socket.
        env: The environment of the process.
        greeting: The first message to it.
        folder: The folder of its log.
        on_events: Called with observations; an empty list means that anything may have changed.
    """

    def __init__(
        self,
        command: list[str],
        env: Mapping[str, str],
        greeting: Mapping[str, Any],
        folder: Path,
        on_events: Callable[[list[dict[str, Any]]], None],
    ) -> None:
        self._command, self._env, self._greeting = command, dict(env), dict(greeting)
        self._log, self._on_events = folder / "bridge.log", on_events
        self._client: RpcClient | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._problem = "the bridge is starting"
        self._last_error: str | None = None
        self._last_message_at = 0.0
        self._closed = threading.Event()
        self._is_up = threading.Event()
        self._thread = threading.Thread(target=self._live, name="ray-bridge", daemon=True)
        self._thread.start()

    def ask(self, op: str, **fields: Any) -> dict[str, Any]:
        """Make one call and return its answer, within ten seconds. Raises TargetUnavailable."""
        self._is_up.wait(1.0)
        client = self._client
        if client is None:
            raise TargetUnavailable(self._problem)
        try:
            return client.call(op, TIMEOUT, fields)
        except RpcTimeout as error:
            self._end_if_hung()
            raise TargetUnavailable(f"the cluster did not answer {op} in {TIMEOUT:g} s") from error
        except RpcFailed as error:
            raise TargetUnavailable(str(error)) from error

    def close(self) -> None:
        """End the bridge. Launchers and jobs continue."""
        self._closed.set()
        self._hang_up()
        self._thread.join(5)

    @property
    def pid(self) -> int | None:
        """The process id of the bridge, while there is one."""
        return None if self._process is None else self._process.pid

    def _end_if_hung(self) -> None:
        """End a bridge without heartbeats; a healthy one sends one every second."""
        if time.monotonic() - self._last_message_at > HUNG_AFTER:
            log.warning("the bridge hangs and is restarted")
            self._hang_up()

    def _live(self) -> None:
        """Run one bridge after the other, with growing pauses while they end early."""
        pause = 0.1
        while not self._closed.is_set():
            began = time.monotonic()
            try:
                self._serve()
            except OSError as error:
                self._problem = f"the bridge does not start: {error}"
                log.warning(self._problem)
            if time.monotonic() - began > GOOD_AFTER:
                pause = 0.1
            self._closed.wait(pause)
            pause = min(MAX_PAUSE, pause * 3)

    def _serve(self) -> None:
        """Start a bridge and receive its messages until it ends."""
        ours, theirs = socket.socketpair()
        with ours, theirs, _opened(self._log) as output:
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
                self._last_message_at, self._last_error = time.monotonic(), None
                client = RpcClient(ours, "the bridge", self._receive, self._lost, SEND_SECONDS)
                self._client = client
                self._is_up.set()
                client.run()
            finally:
                self._end(process)

    def _receive(self, message: dict[str, Any]) -> None:
        self._last_message_at = time.monotonic()
        if "event" in message:
            self._on_events(message["event"])
        elif "fatal" in message:
            self._last_error = message["fatal"]

    def _lost(self, _client: RpcClient) -> None:
        """The connection is lost; its calls have failed."""
        self._is_up.clear()
        self._client = None

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        """End the process of a lost connection, and report that anything may have changed."""
        self._is_up.clear()
        self._client = None
        process.kill()
        process.wait()
        self._problem = _with_advice(self._last_error or _last_line(self._log))
        log.log(logging.DEBUG if self._closed.is_set() else logging.WARNING, self._problem)
        if not self._closed.is_set():
            self._on_events([])

    def _hang_up(self) -> None:
        client = self._client
        if client is not None:
            client.close()


def command(python: str | None, folder: Path) -> list[str]:
    """The command of a bridge; its code is written into the folder."""
    source = Path(__file__).parent
    files = {f"targets/ray/{part}.py": (source / f"{part}.py").read_bytes() for part in _PARTS}
    files["dispatcher/wire/rpc.py"] = Path(rpc.__file__).read_bytes()
    packages = ("targets", "targets/ray", "dispatcher", "dispatcher/wire")
    files |= {f"{package}/__init__.py": b"" for package in packages}
    files["__main__.py"] = _MAIN.encode()
    digest = hashlib.sha256(repr(sorted(files.items())).encode()).hexdigest()[:12]
    path = folder / f"bridge-{digest}.zip"
    packed = _zip_of(files)
    if not path.exists() or path.read_bytes() != packed:
        write_bytes(str(path), packed)
    return [python or sys.executable, str(path)]


def _zip_of(files: Mapping[str, bytes]) -> bytes:
    """Equal files give equal bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        for name, data in files.items():
            packed.writestr(zipfile.ZipInfo(name, _AT), data)
    return buffer.getvalue()


def _with_advice(trouble: str) -> str:
    """The last error of a bridge, with advice if there is any."""
    if "mismatch" in trouble or "No module named" in trouble:
        return f"the bridge has ended: {trouble}\n{_SKEW}"
    return f"the bridge has ended: {trouble}"


def _opened(path: Path) -> BinaryIO:
    """Open the log to append to; a large one is truncated."""
    is_large = path.exists() and path.stat().st_size > _MAX_LOG_BYTES
    return path.open("wb" if is_large else "ab")


def _last_line(path: Path) -> str:
    with path.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - 2048))
        lines = file.read().decode(errors="replace").strip().splitlines()
    return f"{lines[-1] if lines else 'no output'} (see {path})"
