"""What runs say: spools come in by offset, metrics and logs are read back.

Each chunk of a spool names its offset in its stream. What is held already is dropped, what leaves a
gap is not taken; the answer says up to which offset the stream is held, and the sender goes on from
there. So resending is harmless and nothing is ever counted twice: points and offset are stored in
one commit.

A line may be for a run above the sender's (`addressing`); it is stored in the same commit, too.
"""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from dispatcher.access.permissions import Grant
from dispatcher.core.errors import NotAllowed
from dispatcher.services.addressing import Refused, Said, deliver
from dispatcher.services.spool_lines import read_lines
from dispatcher.store.content.blobs import Logs
from dispatcher.store.contract import Store, Transaction
from dispatcher.store.metrics.contract import Point

Stream = tuple[str, int, str]  # run, attempt, stream
MOST_NAMED = 10_000  # senders whose refused lines are remembered to have been told
log = logging.getLogger(__name__)


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
        self._named: set[str] = set()
        self._listeners: list[Callable[[set[str]], None]] = []

    def on_metrics(self, listener: Callable[[set[str]], None]) -> None:
        """Call `listener` with the runs whose metrics have come, after the commit."""
        self._listeners.append(listener)

    def take(self, chunks: Sequence[Chunk], caller: Grant) -> dict[Stream, int]:
        """Take what is new of these chunks; answer how far each stream is held.

        Raises NotAllowed for a chunk of a run that the caller's grant does not cover.
        """
        held = self._store.read(lambda tx: _held(tx, chunks, caller))
        if all(chunk.offset + len(chunk.data) <= held[chunk.key] for chunk in chunks):
            return held
        for chunk in chunks:
            if chunk.stream.startswith("log:"):  # written before the offset is: a crash repeats it
                self._logs.write(
                    chunk.run_id, chunk.attempt, chunk.stream[4:], chunk.offset, chunk.data
                )
        taken, logged, refused = self._store.write(lambda tx: _take(tx, chunks))
        self._tell(refused)
        for listener in self._listeners if logged else ():
            listener(logged)
        return taken

    def metrics(
        self, ids: Collection[str], name: str | None, attempts: Mapping[str, int]
    ) -> dict[str, list[Point]]:
        """Points in logging order, of the present attempt of each run."""
        return self._store.read(lambda tx: tx.metrics.points(ids, name, attempts))

    def logs(self, run_id: str) -> list[tuple[int, str, int]]:
        """(attempt, name, size) of each log of a run."""
        return self._store.read(lambda tx: logs_of(tx, run_id))

    def _tell(self, refused: Refused) -> None:
        """Once a sender: whoever writes such lines may write a million of them."""
        for run_id in refused.keys() - self._named:
            if len(self._named) >= MOST_NAMED:
                self._named.clear()
            self._named.add(run_id)
            count, why = refused[run_id]
            text = "%d lines of the spool of run %s are not recorded, the first because %s"
            log.warning(text, count, run_id, why)

    def read_log(self, run_id: str, attempt: int, name: str, offset: int, limit: int) -> bytes:
        key = (run_id, attempt, f"log:{name}")
        held = self._store.read(lambda tx: tx.metrics.offsets([key]))[key]
        return self._logs.read(run_id, attempt, name, offset, max(0, min(limit, held - offset)))


def logs_of(tx: Transaction, run_id: str) -> list[tuple[int, str, int]]:
    """(attempt, name, size) of each log of a run."""
    streams = tx.metrics.streams(run_id)
    return [(attempt, s[4:], size) for attempt, s, size in streams if s.startswith("log:")]


def _held(tx: Transaction, chunks: Sequence[Chunk], caller: Grant) -> dict[Stream, int]:
    runs = tx.runs.get({chunk.run_id for chunk in chunks})
    for chunk in chunks:
        if chunk.run_id not in runs:
            raise NotAllowed(f"no run {chunk.run_id!r} to send for")
        caller.require(runs[chunk.run_id])
    return tx.metrics.offsets({chunk.key for chunk in chunks})


def _take(tx: Transaction, chunks: Sequence[Chunk]) -> tuple[dict[Stream, int], set[str], Refused]:
    for run_id in tx.deletions.find({chunk.run_id for chunk in chunks}):
        raise NotAllowed(f"no run {run_id!r} to send for: it was deleted")
    held = tx.metrics.offsets({chunk.key for chunk in chunks}, lock=True)
    before = dict(held)
    said: list[Said] = []
    for chunk in chunks:
        at = held[chunk.key]
        if chunk.offset > at or chunk.offset + len(chunk.data) <= at:
            continue
        fresh = chunk.data[at - chunk.offset :]
        if not chunk.stream.startswith("log:"):
            fresh = fresh[: fresh.rfind(b"\n") + 1]  # half a line is taken with its other half
            lines = read_lines(chunk.run_id, chunk.attempt, fresh)
            said.extend((chunk.run_id, each) for each in lines)
        held[chunk.key] = at + len(fresh)
    logged, refused = deliver(tx, said)
    tx.metrics.advance({key: size for key, size in held.items() if size != before[key]})
    return held, logged, refused
