"""`Idempotency-Key`: a call that is repeated with the same key and body is carried out once.

Runs are already protected by their ids and stream chunks by their offsets; this protects the other
mutating calls from a client that lost the reply.

- The key is claimed in the transaction that makes the call's change (`calls.CallStore`). Of two
  calls under way at once, in whichever process, one makes its change; the other one is answered
  with the first one's answer.
- The answer is recorded after the change. Where a process is killed in between, the change is there
  and its answer is not: a call that may be done again without a further effect is done again, and
  any other is refused with a text that says so.
- The same key with another call or body is a conflict. A call that was refused is not recorded.
- Keys are forgotten after a day.
"""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace

from fastapi import Request, Response
from starlette.concurrency import run_in_threadpool

from dispatcher.core.errors import InvalidSpec, KeyConflict, StoreUnavailable
from dispatcher.server.calls import CURRENT, CurrentCall, KeyTaken
from dispatcher.store.contract import Store
from dispatcher.store.idempotency.contract import KeyedCall

MAX_KEY = 128  # characters
MAX_ANSWER = 1 << 20  # bytes
KEEP_SECONDS = 86_400.0
PRUNE_SECONDS = 600.0
# How long an answer is waited for that another process may be about to record.
WAIT_SECONDS = 5.0
POLL_SECONDS = 0.02
MUTATING = ("POST", "PUT", "PATCH", "DELETE")
_NATURAL = (
    *("/spool", "/runs", "/blobs", "/parts", "/artifacts", "/snapshots"),
    *("/wait", "/park", "/unpark"),
    *("/tokens", "/studio/links", "/studio/session"),  # their answers are secrets
)
Call = Callable[[Request], Awaitable[Response]]


class Idempotency:
    """Carries out calls with a key once.

    Args:
        store: Where keys and answers are recorded.
        clock: Seconds since the epoch.
        process: Names this process among those that use the database.
        shared: Whether other processes may use the database.
    """

    def __init__(
        self, store: Store, clock: Callable[[], float], *, process: str, shared: bool
    ) -> None:
        self._store, self._clock = store, clock
        self._process, self._shared = process, shared
        self._under_way: dict[str, asyncio.Event] = {}
        self._pruned_at = clock()

    async def carry_out(self, request: Request, call: Call, *, once: bool) -> Response:
        """Do the call, or give the answer that is recorded for its key.

        Args:
            request: The call, with its body read.
            call: What does it.
            once: Whether doing it twice would have a further effect.

        Raises:
            InvalidSpec: The key is too long.
            KeyConflict: The key was used for another call, or the answer to it was lost.
        """
        key = request.headers.get("idempotency-key")
        if key is None or request.method not in MUTATING or request.url.path.endswith(_NATURAL):
            return await call(request)
        if len(key) > MAX_KEY:
            raise InvalidSpec(f"Idempotency-Key: {len(key)} characters; at most {MAX_KEY}")
        digest = _digest(request, await request.body())
        while (other := self._under_way.get(key)) is not None:
            await other.wait()
        self._under_way[key] = asyncio.Event()
        try:
            keyed = KeyedCall(key, digest, self._process, self._clock())
            return await self._carry_out(request, call, keyed, once)
        finally:
            self._under_way.pop(key).set()

    async def _carry_out(
        self, request: Request, call: Call, keyed: KeyedCall, once: bool
    ) -> Response:
        known = await self._recorded(keyed)
        if known is not None:
            return await self._repeat(request, call, known, once)
        current = _current()
        current.keyed = keyed
        try:
            answer = await call(request)
        except KeyTaken:  # another process was quicker; nothing of this call was committed
            current.keyed = None
            known = await self._recorded(keyed)
            if known is None:
                raise StoreUnavailable("the call is being carried out: ask again") from None
            return await self._repeat(request, call, known, once)
        await run_in_threadpool(self._record, keyed, answer)
        return answer

    async def _recorded(self, keyed: KeyedCall) -> KeyedCall | None:
        """What is recorded of the key; an answer that may come yet is waited for."""
        deadline = asyncio.get_running_loop().time() + WAIT_SECONDS
        while True:
            known = await run_in_threadpool(
                lambda: self._store.read(lambda tx: tx.idempotency.find(keyed.key))
            )
            if known is not None and known.digest != keyed.digest:
                raise KeyConflict(
                    f"Idempotency-Key {keyed.key!r} came before with another call or body"
                )
            may_come = known is not None and not known.answer and self._is_alive(known)
            if not may_come or asyncio.get_running_loop().time() > deadline:
                return known
            await asyncio.sleep(POLL_SECONDS)

    def _is_alive(self, known: KeyedCall) -> bool:
        """Whether the process that holds a claim may still answer it."""
        return self._shared and known.holder != self._process

    async def _repeat(self, request: Request, call: Call, known: KeyedCall, once: bool) -> Response:
        if known.answer:
            return _replayed(known)
        if once:
            raise KeyConflict(
                f"the call with Idempotency-Key {known.key!r} was carried out, and its answer was "
                "lost when the service ended: read what it changed before it is made again"
            )
        answer = await call(request)
        await run_in_threadpool(self._record, replace(known, holder=self._process), answer)
        return answer

    def _record(self, keyed: KeyedCall, answer: Response) -> None:
        if len(answer.body) >= MAX_ANSWER:
            return
        body = bytes(answer.body).decode("latin-1")
        text, now = json.dumps({"status": answer.status_code, "body": body}), self._clock()
        with suppress(StoreUnavailable):  # the call is done; its answer may be lost like any other
            self._store.write(lambda tx: tx.idempotency.answer(replace(keyed, answer=text)))
            if now - self._pruned_at > PRUNE_SECONDS:
                self._pruned_at = now
                self._store.write(lambda tx: tx.idempotency.prune(now - KEEP_SECONDS))


def _current() -> CurrentCall:
    current = CURRENT.get()
    assert current is not None, "the guard has set it"
    return current


def _replayed(known: KeyedCall) -> Response:
    recorded = json.loads(known.answer)
    body = recorded["body"].encode("latin-1")
    media = "application/json" if body else None
    return Response(body, status_code=recorded["status"], media_type=media)


def _digest(request: Request, body: bytes) -> str:
    caller = request.headers.get("authorization", "")
    call = f"{request.method} {request.url.path}?{request.url.query}\n{caller}\n"
    return hashlib.sha256(call.encode() + body).hexdigest()
