"""Lines of spools → points, and what is said of labels. A script may write anything there: what is
neither is passed over.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from dispatcher.core.runs.spec import MAX_TEXT
from dispatcher.store.metrics.contract import Point

MAX_LINE = 64 << 20
MAX_NAME_BYTES = 2000  # PostgreSQL takes 2,704 bytes in an index, run and place among them
MAX_KEY = 256
KINDS = ("scalar", "list", "row", "table", "artifact")
LABELS = ("tag", "untag", "property")
_NOT_SPOOLED = "model:"  # properties that register a model: by its own call, after a look


@dataclass(frozen=True)
class Label:
    """A tag to set or to remove, or a property to add."""

    run_id: str
    kind: Literal["tag", "untag", "property"]
    key: str
    value: str | None


def read_lines(run_id: str, attempt: int, lines: bytes) -> Iterator[Point | Label]:
    """What these lines say, each of the run it is for: the sender, or the one that `to` names.

    Whether the sender may speak of that one is not looked at here.
    """
    for line in lines.splitlines():
        said = _read(run_id, attempt, line)
        if said is not None:
            yield said


def _read(run_id: str, attempt: int, line: bytes) -> Point | Label | None:
    try:
        record: Any = json.loads(line)
        name, kind, to = str(record["n"]), str(record["k"]), record.get("to")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    if len(line) > MAX_LINE or not (to is None or isinstance(to, str)):
        return None
    if kind in LABELS:
        return _label(to or run_id, kind, sound(name), sound(record.get("v")))
    if kind not in KINDS or not 0 < len(name) <= 1024:
        return None
    return Point(
        to or run_id, attempt, _fit(sound(name)), kind, sound(record.get("v")),
        _number(record.get("t")), _whole(record.get("s")), sound(str(record.get("d") or "")),
    )  # fmt: skip


def _label(run_id: str, kind: Any, key: str, value: Any) -> Label | None:
    """The same limits as by HTTP."""
    is_text = isinstance(value, str) and len(value) <= MAX_TEXT
    if not 0 < len(key) <= MAX_KEY or not (value is None or is_text):
        return None
    if kind == "property" and key.startswith(_NOT_SPOOLED):
        return None
    return Label(run_id, kind, key, value)


def sound(value: Any) -> Any:
    """One rule for both stores: NUL and lone surrogates are replaced by U+FFFD."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode().replace("\0", "�")
    if isinstance(value, list):
        return [sound(item) for item in value]
    if isinstance(value, dict):
        return {sound(str(key)): sound(item) for key, item in value.items()}
    return value


def _fit(name: str) -> str:
    """A name that every store can have in an index: the end of a longer one becomes its hash."""
    held = name.encode()
    if len(held) <= MAX_NAME_BYTES:
        return name
    return f"{held[:1900].decode(errors='ignore')}…{hashlib.sha256(held).hexdigest()[:16]}"


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _whole(value: Any) -> int | None:
    sound = isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 62
    return value if sound else None
