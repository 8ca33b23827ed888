"""A small service that takes spools and gives snapshots, and can be away."""

import hashlib
import io
import json
import os
import socket
import socketserver
import tarfile
import threading
from collections import Counter, defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.integration.agent.fake_files import FakeFiles

Stream = tuple[str, int, str]


class _UnixServer(ThreadingHTTPServer):
    address_family = socket.AF_UNIX

    def server_bind(self) -> None:
        socketserver.TCPServer.server_bind(self)  # without the look-up of a host's name


class FakeService:
    """Holds streams by offset, as the protocol says; checks that no chunk leaves a gap."""

    def __init__(self, path: Path | None = None) -> None:
        """It listens on the Unix socket `path`, or on a port of its own."""
        self.streams: dict[Stream, bytes] = defaultdict(bytes)
        self.requests: Counter[str] = Counter()
        self.unknown_runs: set[str] = set()
        self.files = FakeFiles()
        self.is_away = False
        self.forgets_answers = False
        self.answers = threading.Event()  # cleared: requests stay without an answer
        self.answers.set()
        self.breaks_off_at: set[str] = set()  # paths of snapshots that are answered by half
        self.archives: dict[str, tuple[Any, bytes]] = {}
        self._lock = threading.Lock()
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                service.requests[self.path] += 1
                parts = self.path.split("/")
                found = service.archives.get(parts[4])
                if service.is_away:
                    self.close_connection = True
                elif found is None:
                    self._answer(404, b'{"error": "SnapshotNotFound", "detail": "no such"}')
                else:
                    manifest, archive = found
                    whole = parts[-1] == "archive"
                    body = archive if whole else json.dumps(manifest).encode()
                    if self.path in service.breaks_off_at:
                        self._break_off(body)
                    else:
                        self._answer(200, body)

            def do_POST(self) -> None:
                service.requests[self.path] += 1
                body = self.rfile.read(int(self.headers["Content-Length"]))
                assert len(body) <= 5 << 20
                if service.is_away:
                    self.close_connection = True
                    return
                service.answers.wait()
                status, answer = service.route(self.command, self.path, body)
                if service.forgets_answers:
                    self.close_connection = True
                else:
                    self._answer(status, json.dumps(answer).encode())

            do_PUT = do_POST  # noqa: N815

            def _answer(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def _break_off(self, body: bytes) -> None:
                self.send_response(200)
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                half = body[: len(body) // 2]
                self.wfile.write(b"%x\r\n%s\r\n" % (len(half), half))
                self.close_connection = True

            def address_string(self) -> str:
                return "a client"

            def log_message(self, *arguments: object) -> None:
                pass

        if path is None:
            self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        else:
            self._server = _UnixServer(os.fspath(path), Handler)  # type: ignore[arg-type]
            path.chmod(0o666)  # its folder keeps others out
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def __enter__(self) -> "FakeService":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def address(self) -> dict[str, Any]:
        host, port = self._server.server_address[:2]
        return {"socket": None, "url": f"http://{host!s}:{port}", "token": "secret"}

    @property
    def url(self) -> str:
        return str(self.address["url"])

    def route(self, method: str, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        """Take what is sent; answer status and body."""
        if method == "PUT":
            return self.files.put(path, body)
        if path.endswith("/artifacts"):
            return self.files.register(path.split("/")[-2], json.loads(body)["artifacts"])
        return self.files.store(frames_of(body)) if path.endswith("/blobs") else self.take(body)

    def take(self, body: bytes) -> tuple[int, dict[str, Any]]:
        """Take frames of spools; answer status and body."""
        frames = frames_of(body)
        if any(header["run"] in self.unknown_runs for header, _ in frames):
            return 403, {"error": "NotAllowed", "detail": "no such run"}
        with self._lock:
            return 200, {"acks": [self._take(header, data) for header, data in frames]}

    def _take(self, header: dict[str, Any], data: bytes) -> dict[str, Any]:
        key = (header["run"], header["attempt"], header["stream"])
        held, offset = self.streams[key], header["offset"]
        if offset <= len(held) < offset + len(data):
            self.streams[key] = held + data[len(held) - offset :]
        run, attempt, stream = key
        return {"run": run, "attempt": attempt, "stream": stream, "offset": len(self.streams[key])}

    def log(self, run: str, name: str = "user_logs/std_log.txt") -> bytes:
        return self.streams.get((run, 1, f"log:{name}"), b"")

    def metrics(self, run: str) -> bytes:
        return self.streams.get((run, 1, "metrics"), b"")

    def add_snapshot(self, files: dict[str, bytes]) -> str:
        """Keep a snapshot of these files, and return its id."""
        listed = sorted(
            [path, 0o644, len(data), hashlib.sha256(data).hexdigest()]
            for path, data in files.items()
        )
        manifest = {"files": listed}
        text = json.dumps(manifest, separators=(",", ":"), ensure_ascii=False, sort_keys=True)
        snapshot = hashlib.sha256(text.encode()).hexdigest()
        self.archives[snapshot] = (manifest, archive(files))
        return snapshot


def frames_of(body: bytes) -> list[tuple[dict[str, Any], bytes]]:
    frames = []
    while body:
        line, _, body = body.partition(b"\n")
        header = json.loads(line)
        data, body = body[: header["size"]], body[header["size"] :]
        frames.append((header, data))
    return frames


def archive(files: dict[str, bytes]) -> bytes:
    """An uncompressed tar."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for path, data in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return packed.getvalue()
