"""A store in dicts, for tests: held to the contract of the databases. Nothing survives it."""

import threading
from collections.abc import Callable
from typing import TypeVar

from dispatcher.store.artifacts.memory import MemoryArtifacts
from dispatcher.store.contract import OnCommit
from dispatcher.store.documents.memory import MemoryDocuments, MemoryParams
from dispatcher.store.environments.memory import MemoryEnvironments
from dispatcher.store.labels.memory import MemoryLabels
from dispatcher.store.leases.memory import MemoryLeases
from dispatcher.store.memory_state import State
from dispatcher.store.metrics.memory import MemoryMetrics
from dispatcher.store.registry.memory import MemoryRegistry
from dispatcher.store.runs.memory import MemoryRuns
from dispatcher.store.sweeps.memory import MemorySweeps

T = TypeVar("T")


class MemoryStore:
    """See `contract.Store`."""

    def __init__(self) -> None:
        self._state = State()
        self._lock = threading.Lock()
        self._listeners: list[OnCommit] = []

    def write(self, work: Callable[["MemoryTransaction"], T]) -> T:
        with self._lock:
            state = self._state.copied()
            transaction = MemoryTransaction(state)
            answer = work(transaction)
            self._state = state
        touched = list(transaction.runs.touched.values())
        for listener in self._listeners if touched else ():
            listener(touched)
        return answer

    def read(self, work: Callable[["MemoryTransaction"], T]) -> T:
        return work(MemoryTransaction(self._state))

    def on_commit(self, listener: OnCommit) -> None:
        self._listeners.append(listener)

    def close(self) -> None:
        self._listeners.clear()


class MemoryTransaction:
    """See `contract.Transaction`."""

    def __init__(self, state: State) -> None:
        self.runs = MemoryRuns(state)
        self.labels = MemoryLabels(state)
        self.metrics = MemoryMetrics(state)
        self.params = MemoryParams(state)
        self.documents = MemoryDocuments(state)
        self.artifacts = MemoryArtifacts(state)
        self.registry = MemoryRegistry(state)
        self.leases = MemoryLeases(state)
        self.sweeps = MemorySweeps(state)
        self.environments = MemoryEnvironments(state)
