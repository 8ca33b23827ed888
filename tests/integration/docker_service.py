"""As much of the service as a Docker target needs: snapshots, and spools that it keeps."""

import hashlib
import io
import json
import socketserver
import tarfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

TOKEN = "agents-token"
Header = dict[str, Any]


class StubService:
    """What it was asked for and what it was sent. `is_away`: it answers 503."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.tokens: set[str] = set()
        self.streams: dict[tuple[str, int, str], bytes] = {}
        self.is_away = False
        self._answers: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def add_snapshot(self, **scripts: str) -> str:
        """Have these scripts, `main` as main.py and so on; the snapshot's id."""
        files = {f"{name}.py": text.encode() for name, text in scripts.items()}
        rows = [[n, 0o600, len(d), hashlib.sha256(d).hexdigest()] for n, d in sorted(files.items())]
        manifest = json.dumps({"files": rows}, separators=(",", ":"), sort_keys=True).encode()
        snapshot = hashlib.sha256(manifest).hexdigest()
        self._answers[f"/api/v1/snapshots/{snapshot}"] = manifest
        self._answers[f"/api/v1/snapshots/{snapshot}/archive"] = _archive(files)
        return snapshot

    def said(self, run: str, stream: str = "log:user_logs/std_log.txt") -> bytes:
        """What came of a stream of the run's first attempt."""
        return self.streams.get((run, 1, stream), b"")

    def get(self, path: str) -> tuple[int, bytes]:
        self.asked.append(path)
        missing = b'{"error": "NotFound", "detail": "no such snapshot"}'
        return (200, self._answers[path]) if path in self._answers else (404, missing)

    def take(self, body: bytes) -> tuple[int, bytes]:
        """Take frames as the service does: by offset; what overlaps or leaves a gap is dropped."""
        if self.is_away:
            return 503, b"{}"
        file, acks = io.BytesIO(body), []
        with self._lock:
            while line := file.readline():
                header: Header = json.loads(line)
                data = file.read(header.pop("size"))
                key = (header["run"], header["attempt"], header["stream"])
                held = self.streams.get(key, b"")
                if header["offset"] <= len(held):
                    held += data[len(held) - header["offset"] :]
                    self.streams[key] = held
                acks.append({**header, "offset": len(held)})
        return 200, json.dumps({"acks": acks}).encode()


@contextmanager
def serving(socket: Path) -> Iterator[StubService]:
    """One that listens on a Unix socket."""
    stub = StubService()
    server = _Server(str(socket), type("Handler", (_Handler,), {"stub": stub}))
    socket.chmod(0o666)  # as the service does: its folder keeps others out
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield stub
    finally:
        server.shutdown()
        server.server_close()


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    stub: StubService

    def do_GET(self) -> None:
        self._answer(*self.stub.get(self.path))

    def do_POST(self) -> None:
        self.stub.tokens.add(self.headers["Authorization"].partition(" ")[2])
        self._answer(*self.stub.take(self.rfile.read(int(self.headers["Content-Length"]))))

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        return "a socket"

    def log_message(self, *_: object) -> None:
        pass


def _archive(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o600
            tar.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()
