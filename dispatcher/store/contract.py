"""What a store keeps, as the services see it. `StoreContract` (store/testing.py) tests every
promise here.

All changes go through `Store.write(work)`: `work` is called with a transaction, perhaps more than
once and together with others' in one commit, so it must not do anything but read and write the
store. What it raises undoes its own changes alone. When `write` has returned, the change is
durable.
"""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from dispatcher.core.lifecycle import Run
from dispatcher.store.artifacts.contract import Artifacts
from dispatcher.store.documents.contract import Documents, Params
from dispatcher.store.environments.contract import Environments
from dispatcher.store.labels.contract import Labels
from dispatcher.store.leases.contract import Leases
from dispatcher.store.metrics.contract import Metrics
from dispatcher.store.registry.contract import Registry
from dispatcher.store.runs.contract import Runs
from dispatcher.store.sweeps.contract import Sweeps

T = TypeVar("T")
OnCommit = Callable[[Sequence[Run]], None]


class Transaction(Protocol):
    @property
    def runs(self) -> Runs: ...
    @property
    def labels(self) -> Labels: ...
    @property
    def metrics(self) -> Metrics: ...
    @property
    def params(self) -> Params: ...
    @property
    def documents(self) -> Documents: ...
    @property
    def artifacts(self) -> Artifacts: ...
    @property
    def registry(self) -> Registry: ...
    @property
    def leases(self) -> Leases: ...
    @property
    def sweeps(self) -> Sweeps: ...
    @property
    def environments(self) -> Environments: ...


class Store(Protocol):
    def write(self, work: Callable[[Transaction], T]) -> T:
        """Do the work in a transaction; durable on return. Raises StoreUnavailable."""

    def read(self, work: Callable[[Transaction], T]) -> T:
        """Look at one consistent state. Raises StoreUnavailable."""

    def on_commit(self, listener: OnCommit) -> None:
        """Call `listener` after each commit of this process with the runs that it changed."""

    def close(self) -> None: ...
