"""A store in dicts, for tests: held to the contract of the databases. Nothing survives it."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from dispatcher.store.artifacts.memory import MemoryArtifacts
from dispatcher.store.commits import Commit, CommitFeed, Subscriber
from dispatcher.store.documents.memory import MemoryDocuments, MemoryParams
from dispatcher.store.environments.memory import MemoryEnvironments
from dispatcher.store.events.contract import SERVICE, NewEvent, numbered
from dispatcher.store.events.memory import MemoryEvents
from dispatcher.store.events.reading import read_commit
from dispatcher.store.idempotency.memory import MemoryIdempotencyKeys
from dispatcher.store.labels.memory import MemoryLabels
from dispatcher.store.leases.memory import MemoryLeases
from dispatcher.store.memory_state import MemoryState
from dispatcher.store.metrics.memory import MemoryMetrics
from dispatcher.store.registry.memory import MemoryRegistry
from dispatcher.store.retention.memory_deletions import MemoryDeletions
from dispatcher.store.retention.memory_references import MemoryReferences
from dispatcher.store.runs.memory import MemoryRuns
from dispatcher.store.sweeps.memory import MemorySweeps
from dispatcher.store.tokens.memory import MemoryTokens

T = TypeVar("T")


class MemoryStore:
    """See `contract.Store`."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._state = MemoryState()
        self._clock = clock
        self._lock = threading.Lock()
        self._feed = CommitFeed(self)

    def write(self, work: Callable[["MemoryTransaction"], T], actor: str = SERVICE) -> T:
        with self._lock:
            state = self._state.copied()
            transaction = MemoryTransaction(state)
            answer = work(transaction)
            first, now = state.numbers.get("events", 0) + 1, self._clock()
            events = [
                numbered(event, first + k, actor=actor, now=now)
                for k, event in enumerate(transaction.pending)
            ]
            state.events.extend(events)
            state.numbers["events"] = first - 1 + len(events)
            self._state = state
            self._feed.committed(Commit(events, list(transaction.runs.changed.values())))
        return answer

    def read(self, work: Callable[["MemoryTransaction"], T]) -> T:
        return work(MemoryTransaction(self._state))

    def subscribe(self, subscriber: Subscriber) -> None:
        self._feed.subscribe(subscriber)

    def check(self) -> None:
        """Memory can always be written."""

    def close(self) -> None:
        """Nothing is open."""

    def last_event(self) -> int:
        return self.read(lambda tx: tx.events.last())

    def events_after(self, position: int, limit: int) -> Commit:
        return self.read(lambda tx: read_commit(tx, position, limit))


class MemoryTransaction:
    """See `contract.Transaction`."""

    def __init__(self, state: MemoryState) -> None:
        self.pending: list[NewEvent] = []
        self.events = MemoryEvents(state, self.pending)
        self.runs = MemoryRuns(state, self.events)
        self.labels = MemoryLabels(state, self.events)
        self.metrics = MemoryMetrics(state)
        self.params = MemoryParams(state)
        self.documents = MemoryDocuments(state)
        self.artifacts = MemoryArtifacts(state)
        self.registry = MemoryRegistry(state, self.events)
        self.leases = MemoryLeases(state)
        self.sweeps = MemorySweeps(state, self.events)
        self.idempotency = MemoryIdempotencyKeys(state)
        self.tokens = MemoryTokens(state, self.events)
        self.environments = MemoryEnvironments(state, self.events)
        self.deletions = MemoryDeletions(state, self.events)
        self.references = MemoryReferences(state)
