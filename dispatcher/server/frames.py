"""Frames: a header line of JSON, then as many raw bytes as it says (docs/protocol.md)."""

import json
from collections.abc import Iterator
from typing import Any

from dispatcher.core.errors import InvalidSpec

MAX_HEADER = 64 * 1024


def frames(body: bytes) -> Iterator[tuple[dict[str, Any], bytes]]:
    """Read all frames of a body. Raises InvalidSpec, which says at which byte and why."""
    at = 0
    while at < len(body):
        end = body.find(b"\n", at, at + MAX_HEADER)
        if end < 0:
            raise InvalidSpec(
                f"frame at byte {at}: its header line does not end in {MAX_HEADER} bytes"
            )
        header = _header(body[at:end], at)
        size = header.get("size")
        if not isinstance(size, int) or isinstance(size, bool) or size < 0:
            raise InvalidSpec(f"frame at byte {at}: size {size!r} is not a number of bytes")
        start = end + 1
        if start + size > len(body):
            raise InvalidSpec(
                f"frame at byte {at}: {size} bytes announced, {len(body) - start} there"
            )
        yield header, body[start : start + size]
        at = start + size


def _header(line: bytes, at: int) -> dict[str, Any]:
    try:
        header = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InvalidSpec(f"frame at byte {at}: its header is not JSON: {error}") from error
    if not isinstance(header, dict):
        raise InvalidSpec(f"frame at byte {at}: its header is not JSON object")
    return header


def field(header: dict[str, Any], name: str, kind: type) -> Any:
    """A field of a header, checked. Raises InvalidSpec."""
    value = header.get(name)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise InvalidSpec(f"frame: {name} {value!r} is not {kind.__name__}")
    return value
