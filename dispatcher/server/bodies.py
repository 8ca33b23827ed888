"""Request bodies that are not JSON, read whole and bounded while they come in."""

from fastapi import Request

from dispatcher.core.errors import LimitExceeded


async def read_body(request: Request) -> bytes:
    """The body. Raises LimitExceeded as soon as it is known to be too large."""
    limit: int = request.app.state.max_body
    announced = request.headers.get("content-length", "0")
    if announced.isdigit() and int(announced) > limit:
        raise LimitExceeded(f"body: {announced} bytes; at most {limit}")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise LimitExceeded(f"body: more than {limit} bytes")
    return bytes(body)
