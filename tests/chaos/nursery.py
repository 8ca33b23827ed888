"""Services that are born by a fork of a process that has imported everything already.

A sweep starts a service at each of a thousand points, and most of such a start is Python's reading
of modules, where nothing is written or launched that could be lost. What comes after it is the
service's own, from the first line of its command on.

    python -m tests.chaos.nursery <data folder> <log>

reads `{"environment": {…}}` from its standard input, a line for each service, and answers its id.
"""

import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from tests.rigs.service import Service


class Born:
    """A forked service. It is not a child of ours, so its exit code is not told."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._lock = threading.Lock()
        self._handle: int | None = os.pidfd_open(pid)

    def poll(self) -> int | None:
        return -1 if self._has_ended(0) else None

    def wait(self, timeout: float | None = None) -> int:
        if not self._has_ended(timeout):
            raise TimeoutError(f"process {self.pid} has not ended in {timeout} s")
        return -1

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def terminate(self) -> None:
        self._signal(signal.SIGTERM)

    def _has_ended(self, timeout: float | None) -> bool:
        with self._lock:
            if self._handle is None:
                return True
            watch = select.poll()
            watch.register(self._handle, select.POLLIN)
            if not watch.poll(None if timeout is None else timeout * 1000):
                return False
            os.close(self._handle)
            self._handle = None
            return True

    def _signal(self, number: int) -> None:
        with self._lock:
            if self._handle is not None:
                signal.pidfd_send_signal(self._handle, number)


class NursedService(Service):
    """A service that is born in a nursery of its own."""

    _nursery: "subprocess.Popen[bytes] | None" = None

    def close(self) -> None:
        if self._nursery is not None:
            self._nursery.kill()
            self._nursery.wait()
        super().close()

    def _launch(self, environment: Mapping[str, str]) -> Born:
        if self._nursery is None:
            command = [sys.executable, "-m", "tests.chaos.nursery", str(self.data)]
            self._nursery = subprocess.Popen(
                [*command, str(self.log_path)],
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,
            )
        assert self._nursery.stdin is not None
        assert self._nursery.stdout is not None
        self._nursery.stdin.write(json.dumps(environment).encode() + b"\n")
        self._nursery.stdin.flush()
        return Born(int(self._nursery.stdout.readline()))


def _serve(data: str, log: str) -> None:
    """Bear a service for each line; they are nobody's children to wait for."""
    import dispatcher.cli.main
    import dispatcher.server.run  # noqa: F401 - what takes the time

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in iter(sys.stdin.buffer.readline, b""):
        pid = os.fork()
        if pid == 0:
            _become(json.loads(line), data, log)
        print(pid, flush=True)


def _become(environment: Mapping[str, str], data: str, log: str) -> None:
    from dispatcher.cli.main import program

    Path("/proc/self/comm").write_text("python")
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.environ.update(environment)
    empty = os.open(os.devnull, os.O_RDONLY)
    written = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    for here, there in ((empty, 0), (written, 1), (written, 2)):
        os.dup2(here, there)
    while os.environ.get("CHAOS_HOLD") and "TracerPid:\t0\n" in _status():
        time.sleep(0.001)
    os.environ.pop("CHAOS_HOLD", None)
    sys.argv = ["dispatcher", "server", "run", "--data-dir", data]
    try:
        program()()
    finally:
        os._exit(0)


def _status() -> str:
    return Path("/proc/self/status").read_text()


if __name__ == "__main__":
    _serve(*sys.argv[1:])
