"""Encoding of request and response bodies: JSON values and frames (docs/protocol.md)."""

from __future__ import annotations

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterable, Tuple

JSON = "application/json"
FRAMES = "application/x-dispatcher-frames"
BYTES = "application/octet-stream"


def dumps(body: Any) -> bytes:
    """Encode a body. NaN and the infinities travel as `{"float": "nan" | "inf" | "-inf"}`."""
    try:
        return json.dumps(body, separators=(",", ":"), allow_nan=False).encode()
    except ValueError:
        return json.dumps(_without_special_floats(body), separators=(",", ":")).encode()


def loads(data: bytes) -> Any:
    """Decode a body; special floats become floats again. An empty body is None."""
    return json.loads(data, object_hook=_restore_special_float) if data else None


def frames(parts: Iterable[Tuple[Dict[str, Any], bytes]]) -> bytes:
    """Join (header, bytes) pairs into one frames body; each header gets its `size`."""
    body = bytearray()
    for header, data in parts:
        body += json.dumps({**header, "size": len(data)}, separators=(",", ":")).encode() + b"\n"
        body += data
    return bytes(body)


def _restore_special_float(value: Dict[str, Any]) -> Any:
    if len(value) == 1 and value.get("float") in ("nan", "inf", "-inf"):
        return float(value["float"])
    return value


def _without_special_floats(value: Any) -> Any:
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return {"float": str(float(value))}
    if isinstance(value, dict):
        return {key: _without_special_floats(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_special_floats(item) for item in value]
    return value
