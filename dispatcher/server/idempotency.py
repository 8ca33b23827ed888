"""`Idempotency-Key`: a call that is repeated with the same key and body gets the recorded answer;
it is not carried out again.

Runs are already protected by their ids and stream chunks by their offsets; this protects the other
mutating calls from a client that lost the reply. The key is recorded with a hash of caller, call
and body; the same key with another body is a conflict. A call that was refused changed nothing and
is not recorded.
"""

import hashlib
import json
from collections.abc import Awaitable, Callable

from fastapi import Request, Response
from starlette.concurrency import run_in_threadpool

from dispatcher.core.errors import InvalidSpec, KeyConflict
from dispatcher.store.contract import Store

MAX_KEY = 128  # characters
MAX_ANSWER = 1 << 20  # bytes
MUTATING = ("POST", "PUT", "PATCH", "DELETE")
_NATURAL = (
    *("/spool", "/runs", "/blobs", "/parts", "/artifacts", "/snapshots"),
    *("/wait", "/park", "/unpark"),
)
Call = Callable[[Request], Awaitable[Response]]


class Idempotency:
    """Carries out calls with a key once.

    Args:
        store: Where keys and answers are recorded.
        clock: Unix seconds.
    """

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        self._store, self._clock = store, clock

    async def carry_out(self, request: Request, call: Call) -> Response:
        """Do the call, or give the answer that is recorded for its key.

        Raises InvalidSpec for a key that is too long, KeyConflict for one of another call.
        """
        key = request.headers.get("idempotency-key")
        if key is None or request.method not in MUTATING or request.url.path.endswith(_NATURAL):
            return await call(request)
        if len(key) > MAX_KEY:
            raise InvalidSpec(f"Idempotency-Key: {len(key)} characters; at most {MAX_KEY}")
        digest = _digest(request, await request.body())
        known = await run_in_threadpool(self._recall, key)
        if known is not None:
            return _replayed(key, known, digest)
        answer = await call(request)
        if len(answer.body) < MAX_ANSWER:
            await run_in_threadpool(self._record, key, digest, answer)
        return answer

    def _recall(self, key: str) -> tuple[str, str] | None:
        return self._store.read(lambda tx: tx.registry.recall(key))

    def _record(self, key: str, digest: str, answer: Response) -> None:
        body = bytes(answer.body).decode("latin-1")
        text, now = json.dumps({"status": answer.status_code, "body": body}), self._clock()
        self._store.write(lambda tx: tx.registry.remember(key, digest, text, now=now))


def _replayed(key: str, known: tuple[str, str], digest: str) -> Response:
    if known[0] != digest:
        raise KeyConflict(f"Idempotency-Key {key!r} came before with another call or body")
    recorded = json.loads(known[1])
    body = recorded["body"].encode("latin-1")
    media = "application/json" if body else None
    return Response(body, status_code=recorded["status"], media_type=media)


def _digest(request: Request, body: bytes) -> str:
    caller = request.headers.get("authorization", "")
    call = f"{request.method} {request.url.path}?{request.url.query}\n{caller}\n"
    return hashlib.sha256(call.encode() + body).hexdigest()
