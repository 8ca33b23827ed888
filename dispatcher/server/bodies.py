"""Request bodies, read after the caller is known, and no further than their limit."""

from enum import Enum

from fastapi import Request
from starlette.types import Message

from dispatcher.core.errors import LimitExceeded

MAX_JSON = 1 << 20  # bytes


class Body(Enum):
    """How a route reads its body."""

    JSON = "JSON of at most MAX_JSON"
    BATCH = "JSON that names many runs or files, of at most the service's `max_body_mb`"
    RAW = "bytes of at most `max_body_mb`, which the handler reads by `read_body`"
    FILE = "bytes of any length, which the handler writes to disk while they come"


async def bounded(request: Request, body: Body) -> Request:
    """The request with its body read, if the route reads it whole. Raises LimitExceeded."""
    if body in (Body.RAW, Body.FILE):
        return request
    limit: int = request.app.state.max_body
    content = await _read(request, min(MAX_JSON, limit) if body is Body.JSON else limit)
    is_read = False

    async def receive() -> Message:
        nonlocal is_read
        if is_read:
            return await request.receive()
        is_read = True
        return {"type": "http.request", "body": content, "more_body": False}

    return Request(request.scope, receive)


async def read_body(request: Request) -> bytes:
    """The body of a route that declares `Body.RAW`. Raises LimitExceeded."""
    limit: int = request.app.state.max_body
    return await _read(request, limit)


async def _read(request: Request, limit: int) -> bytes:
    """The whole body; the limit is in bytes. Nothing is read of one that is announced larger."""
    announced = request.headers.get("content-length", "0")
    if announced.isdigit() and int(announced) > limit:
        raise LimitExceeded(f"body: {announced} bytes; at most {limit}")
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > limit:
            raise LimitExceeded(f"body: more than {limit} bytes")
    return bytes(content)
