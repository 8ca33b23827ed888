"""`Idempotency-Key`: a call that is repeated with the same key and body gets the recorded answer;
it is not done again.

Runs are already protected by their ids and stream chunks by their offsets; this protects the other
mutating calls from a client that lost the reply. The key is remembered with a hash of caller, call
and body; the same key with another body is a conflict. Only answers below 500 are recorded: a call
that failed in the service may be tried again.
"""

import hashlib
import json
import time
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dispatcher.store.contract import Store

MAX_KEY = 128
MAX_ANSWER = 1 << 20
MUTATING = ("POST", "PUT", "PATCH", "DELETE")
_NATURAL = (
    *("/spool", "/runs", "/blobs", "/parts", "/artifacts", "/snapshots"),
    *("/wait", "/park", "/unpark"),
)


class Idempotency:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, store: Store) -> None:
        self._app, self._store = app, store

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        key = _header(scope, b"idempotency-key") if scope["type"] == "http" else None
        if key is None or scope["method"] not in MUTATING or _natural(scope["path"]):
            await self._app(scope, receive, send)
            return
        if len(key) > MAX_KEY:
            await _answer(send, 422, {"error": "InvalidSpec", "detail": _too_long(key)})
            return
        body, replay = await _read(receive)
        digest = _digest(scope, body)
        known = await run_in_threadpool(
            lambda: self._store.read(lambda tx: tx.registry.recall(key))
        )
        if known is not None:
            await self._replay(send, key, known, digest)
            return
        await self._app(scope, replay, _Recorder(send, self._store, key, digest))

    async def _replay(self, send: Send, key: str, known: tuple[str, str], digest: str) -> None:
        if known[0] != digest:
            text = f"Idempotency-Key {key!r} came before with another call or body"
            await _answer(send, 409, {"error": "KeyConflict", "detail": text})
            return
        recorded = json.loads(known[1])
        await _answer(send, recorded["status"], recorded["body"], raw=True)


class _Recorder:
    """Passes an answer on, and keeps it before its last piece goes out."""

    def __init__(self, send: Send, store: Store, key: str, digest: str) -> None:
        self._send, self._store = send, store
        self._key, self._digest = key, digest
        self._status, self._body = 0, b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
        elif message["type"] == "http.response.body":
            self._body += message.get("body", b"")
            if not message.get("more_body") and self._status < 500 and len(self._body) < MAX_ANSWER:
                await run_in_threadpool(self._keep)
        await self._send(message)

    def _keep(self) -> None:
        answer = json.dumps({"status": self._status, "body": self._body.decode("latin-1")})
        now = time.time()
        self._store.write(lambda tx: tx.registry.remember(self._key, self._digest, answer, now=now))


def _natural(path: str) -> bool:
    """Calls that are idempotent by what they carry: recording them would only cost."""
    return path.endswith(_NATURAL)


def _header(scope: Scope, name: bytes) -> str | None:
    return next((v.decode("latin-1") for k, v in scope["headers"] if k == name), None)


def _too_long(key: str) -> str:
    return f"Idempotency-Key: {len(key)} characters; at most {MAX_KEY}"


async def _read(receive: Receive) -> tuple[bytes, Receive]:
    """The body, and a `receive` that gives it again."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return body, replay


def _digest(scope: Scope, body: bytes) -> str:
    caller = _header(scope, b"authorization") or ""
    call = (
        f"{scope['method']} {scope['path']}?{scope['query_string'].decode('latin-1')}\n{caller}\n"
    )
    return hashlib.sha256(call.encode() + body).hexdigest()


async def _answer(send: Send, status: int, body: Any, *, raw: bool = False) -> None:
    data = body.encode("latin-1") if raw else json.dumps(body).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(data)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": data})
