"""A proxy before a Docker engine that can hold the starts of containers."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PIECE = 1 << 16
_WAIT_SECONDS = 60


class EngineGate:
    """Passes everything on. While it is shut, a request to start a container stays with it."""

    def __init__(self, upstream: str, path: Path) -> None:
        self.url = f"unix://{path}"
        self._upstream = upstream.removeprefix("unix://")
        self._open = threading.Event()
        self._open.set()
        self._held = threading.Semaphore(0)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(64)
        threading.Thread(target=self._serve, daemon=True).start()

    def shut(self) -> None:
        """Hold the starts from now on."""
        self._open.clear()

    def open(self) -> None:
        """Pass on what is held, and all that comes."""
        self._open.set()

    def wait_until_held(self, count: int = 1) -> None:
        """Return once so many starts are held."""
        for _ in range(count):
            assert self._held.acquire(timeout=_WAIT_SECONDS), "no start has come"

    def close(self) -> None:
        self.open()
        self._listener.close()

    def _serve(self) -> None:
        with suppress(OSError):  # it is closed
            while True:
                client, _ = self._listener.accept()
                engine = socket.socket(socket.AF_UNIX)
                engine.connect(self._upstream)
                for source, target in ((client, engine), (engine, client)):
                    threading.Thread(target=self._pass_on, args=(source, target)).start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(_PIECE):
                line = data.partition(b"\r\n")[0]
                is_start = line.startswith(b"POST ") and b"/start HTTP/" in line
                if is_start and not self._open.is_set():
                    self._held.release()
                    self._open.wait(_WAIT_SECONDS)
                target.sendall(data)
        for one in (source, target):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


@contextmanager
def engine_gate(upstream: str, path: Path) -> Iterator[EngineGate]:
    gate = EngineGate(upstream, path)
    try:
        yield gate
    finally:
        gate.close()
