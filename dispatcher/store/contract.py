"""What a store keeps, as the services see it. `StoreContract` (store/testing.py) tests every
promise here.

All changes go through `Store.write(work)`: `work` is called with a transaction, perhaps more than
once and together with others' in one commit, so it must not do anything but read and write the
store. What it raises undoes its own changes alone. When `write` has returned, the change is
durable.
"""

from collections.abc import Callable
from typing import Protocol, TypeVar

from dispatcher.store.artifacts.contract import Artifacts
from dispatcher.store.commits import Subscriber
from dispatcher.store.documents.contract import Documents, Params
from dispatcher.store.environments.contract import Environments
from dispatcher.store.events.contract import SERVICE, Events
from dispatcher.store.idempotency.contract import IdempotencyKeys
from dispatcher.store.labels.contract import Labels
from dispatcher.store.leases.contract import Leases
from dispatcher.store.metrics.contract import Metrics
from dispatcher.store.registry.contract import Registry
from dispatcher.store.retention.contract import Deletions, References
from dispatcher.store.runs.contract import Runs
from dispatcher.store.sweeps.contract import Sweeps
from dispatcher.store.tokens.contract import Tokens

T = TypeVar("T")


class Transaction(Protocol):
    """The calls on each noun, over one state of the store."""

    @property
    def events(self) -> Events: ...
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
    def idempotency(self) -> IdempotencyKeys: ...
    @property
    def tokens(self) -> Tokens: ...
    @property
    def environments(self) -> Environments: ...
    @property
    def deletions(self) -> Deletions: ...
    @property
    def references(self) -> References: ...


class Store(Protocol):
    """A database, or the like of one in memory."""

    def write(self, work: Callable[[Transaction], T], actor: str = SERVICE) -> T:
        """Do the work in a transaction; durable on return.

        Args:
            work: Called with the transaction, perhaps more than once.
            actor: The principal under whose name its events are recorded.

        Raises:
            StoreUnavailable: The database cannot be reached; nothing was acknowledged.
        """

    def read(self, work: Callable[[Transaction], T]) -> T:
        """Look at one consistent state. Raises StoreUnavailable."""

    def subscribe(self, subscriber: Subscriber) -> None:
        """Tell `subscriber` of each later commit, of every process, once and in order."""

    def check(self) -> None:
        """Raise StoreUnavailable if writes cannot be taken any more."""

    def close(self) -> None: ...
