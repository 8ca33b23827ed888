"""The fake service behind HTTP, on loopback or a Unix socket."""

from __future__ import annotations

import json
import os
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.unit.fake_service import TOKEN, FakeService, Refusal


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet
    service: FakeService

    def log_message(self, *_: object) -> None:
        pass

    def address_string(self) -> str:
        return "client"

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urlsplit(self.path)
        path = unquote(parts.path.removeprefix("/api/v1"))
        if path == "/runs/heartbeat":  # in the background, so it counts as no call of a test's
            self.service.heartbeats.update(json.loads(body)["ids"])
            self._send(200, b'{"ended": []}', {})
            return
        self.service.calls.append((self.command, path))
        if self.service.failures:
            failure = self.service.failures.pop(0)
            if failure == "hang up":
                self.close_connection = True
                return
            if failure == "do it and hang up":
                self._answer(path, parts.query, body)
                self.close_connection = True
                return
            self._send(int(failure), b'{"error": "Busy", "detail": "try again"}', {})
            return
        self._send(*self._answer(path, parts.query, body))

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = handle_any  # noqa: N815

    def _answer(self, path: str, query: str, body: bytes) -> tuple[int, bytes, dict[str, str]]:
        key = self.headers.get("Idempotency-Key")
        try:
            if path != "/health" and self.headers.get("Authorization") != f"Bearer {TOKEN}":
                raise Refusal(401, "NotAllowed", "wrong token")
            if key and key in self.service.recorded:
                return self.service.recorded[key]
            made = self._route(path, parse_qsl(query, keep_blank_values=True), body)
            data, told = made if isinstance(made, tuple) else (json.dumps(made).encode(), {})
            answer = (200, data, told)
        except Refusal as refusal:
            told_error = {"error": refusal.kind, "detail": str(refusal)}
            answer = (refusal.status, json.dumps(told_error).encode(), {})
        if key:
            self.service.recorded[key] = answer
        return answer

    def _route(self, path: str, query: list[tuple[str, str]], body: bytes) -> Any:
        service, asked = self.service, dict(query)
        is_json = body and self.headers.get("Content-Type") == "application/json"
        told = json.loads(body) if is_json else {}
        match self.command, path.strip("/").split("/"):
            case "GET", ["health"]:
                return {"ok": True, "version": "0", "service_id": "fake"}
            case "POST", ["experiments", name]:
                return service.create_experiment(name)
            case "PATCH", ["experiments", name]:
                service.create_experiment(name)["tags"].update(told.get("tags", {}))
                return service.experiments[name]
            case "GET", ["experiments"]:
                return {"experiments": list(service.experiments.values())}
            case "POST", ["runs"]:
                runs = [{**told.get("common", {}), **run} for run in told["runs"]]
                return service.submit(runs, told["brief"])
            case "POST", ["runs", "wait"]:
                return service.wait(told["ids"], told["wait"])
            case "GET", ["runs"]:
                return service.find(query)
            case "GET", ["runs", run_id]:
                after = int(asked["after"]) if "after" in asked else None
                read = service.read(run_id, after, float(asked.get("wait", 0)))
                if asked.get("logs") == "true":
                    read["logs"] = [log["name"] for log in service.logs(run_id)["logs"]]
                return read
            case "PATCH", ["runs", run_id]:
                return service.change(run_id, told)
            case "POST", ["runs", run_id, "events"]:
                return service.event(run_id, told)
            case "POST", ["runs", run_id, "cancel"]:
                service.move(run_id, "Canceled")
                return service.run(run_id)
            case "POST", ["runs", run_id, "park"]:
                return service.park(run_id, told["waits_for"])
            case "POST", ["runs", run_id, "unpark"]:
                return service.unpark(run_id)
            case "GET", ["runs", run_id, "metrics"]:
                return service.metrics(run_id, asked)
            case "GET", ["runs", run_id, "logs"]:
                return service.logs(run_id)
            case "GET", ["runs", run_id, "logs", *name]:
                return service.log(run_id, "/".join(name), asked)
            case "POST", ["snapshots"]:
                return service.snapshot(told)
            case "POST", ["blobs"]:
                return service.store(body)
            case "PUT", ["blobs", sha256, "parts"]:
                return service.part(sha256, asked, body)
            case "POST", ["spool"]:
                return service.spool(body)
            case "GET", ["targets"]:
                return {"targets": list(service.targets.values())}
            case "GET", ["targets", name] if name in service.targets:
                return service.targets[name]
        raise Refusal(404, "NotFound", f"no {self.command} {path}")

    def _send(self, status: int, data: bytes, told: dict[str, str]) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        for name, value in told.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)
        self.wfile.flush()


class _UnixServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


@contextmanager
def serving(socket_path: Path | None = None) -> Iterator[FakeService]:
    """A fake service on loopback, or on a Unix socket alone (its URL then leads nowhere)."""
    service = FakeService()
    handler = type("Handler", (_Handler,), {"service": service})
    server: socketserver.BaseServer
    if socket_path is None:
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        service.url = f"http://127.0.0.1:{server.server_address[1]}"
    else:
        server = _UnixServer(os.fspath(socket_path), handler)
        service.url = "http://127.0.0.1:1"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
