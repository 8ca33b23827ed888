"""What runs say: spools come in by offset, metrics and logs are read back.

Each chunk of a spool names its offset in its stream. What is held already is dropped, what leaves a
gap is not taken; the answer says up to which offset the stream is held, and the sender goes on from
there. So resending is harmless and nothing is ever counted twice: points and offset are stored in
one commit.
"""

import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dispatcher.store.blobs import Logs
from dispatcher.store.contract import Point, Store, Transaction

Stream = tuple[str, int, str]  # run, attempt, stream
MAX_LINE = 64 << 20
MAX_NAME_BYTES = 2000  # PostgreSQL takes 2,704 bytes in an index, run and place among them
KINDS = ("scalar", "list", "row", "table", "artifact")


@dataclass(frozen=True)
class Chunk:
    run_id: str
    attempt: int
    stream: str
    offset: int
    data: bytes

    @property
    def key(self) -> Stream:
        return (self.run_id, self.attempt, self.stream)


class TrackingService:
    """Takes spools; answers metrics and logs."""

    def __init__(self, store: Store, logs: Logs) -> None:
        self._store = store
        self._logs = logs
        self._listeners: list[Callable[[set[str]], None]] = []

    def on_metrics(self, listener: Callable[[set[str]], None]) -> None:
        """Call `listener` with the runs whose metrics have come, after the commit."""
        self._listeners.append(listener)

    def take(self, chunks: Sequence[Chunk]) -> dict[Stream, int]:
        """Take what is new of these chunks; answer how far each stream is held."""
        held = self._store.read(lambda tx: tx.telemetry.offsets({c.key for c in chunks}))
        if all(chunk.offset + len(chunk.data) <= held[chunk.key] for chunk in chunks):
            return held
        for chunk in chunks:
            if chunk.stream.startswith("log:"):  # written before the offset is: a crash repeats it
                self._logs.write(
                    chunk.run_id, chunk.attempt, chunk.stream[4:], chunk.offset, chunk.data
                )
        taken = self._store.write(lambda tx: _take(tx, chunks))
        logged = {chunk.run_id for chunk in chunks if not chunk.stream.startswith("log:")}
        for listener in self._listeners if logged else ():
            listener(logged)
        return taken

    def metrics(
        self, ids: Collection[str], name: str | None, attempts: Mapping[str, int]
    ) -> dict[str, list[Point]]:
        """Points in logging order, of the present attempt of each run."""
        return self._store.read(lambda tx: tx.telemetry.points(ids, name, attempts))

    def logs(self, run_id: str) -> list[tuple[int, str, int]]:
        """(attempt, name, size) of each log of a run."""
        streams = self._store.read(lambda tx: tx.telemetry.streams(run_id))
        return [(attempt, s[4:], size) for attempt, s, size in streams if s.startswith("log:")]

    def read_log(self, run_id: str, attempt: int, name: str, offset: int, limit: int) -> bytes:
        key = (run_id, attempt, f"log:{name}")
        held = self._store.read(lambda tx: tx.telemetry.offsets([key]))[key]
        return self._logs.read(run_id, attempt, name, offset, max(0, min(limit, held - offset)))


def _take(tx: Transaction, chunks: Sequence[Chunk]) -> dict[Stream, int]:
    held = tx.telemetry.offsets({chunk.key for chunk in chunks})
    before = dict(held)
    points: list[Point] = []
    for chunk in chunks:
        at = held[chunk.key]
        if chunk.offset > at or chunk.offset + len(chunk.data) <= at:
            continue
        fresh = chunk.data[at - chunk.offset :]
        if not chunk.stream.startswith("log:"):
            fresh = fresh[: fresh.rfind(b"\n") + 1]  # half a line is taken with its other half
            points.extend(_points(chunk, fresh))
        held[chunk.key] = at + len(fresh)
    tx.telemetry.add_points(points)
    tx.telemetry.advance({key: size for key, size in held.items() if size != before[key]})
    return held


def _points(chunk: Chunk, lines: bytes) -> list[Point]:
    points = []
    for line in lines.splitlines():
        point = _point(chunk, line)
        if point is not None:
            points.append(point)
    return points


def _point(chunk: Chunk, line: bytes) -> Point | None:
    """Read one spool line. A script may write anything there: what is no metric is passed over."""
    try:
        record: Any = json.loads(line)
        name, kind = str(record["n"]), str(record["k"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if kind not in KINDS or not 0 < len(name) <= 1024 or len(line) > MAX_LINE:
        return None
    return Point(
        chunk.run_id, chunk.attempt, _fit(sound(name)), kind, sound(record.get("v")),
        _number(record.get("t")), _whole(record.get("s")), sound(str(record.get("d") or "")),
    )  # fmt: skip


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
