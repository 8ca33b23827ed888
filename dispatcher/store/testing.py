"""`StoreContract`: what every store keeps, noun by noun.

A store's test is a subclass with a `store` fixture: an empty store.
"""

import threading
from typing import Any

import pytest

from dispatcher.core.runs.lifecycle import (
    Placed,
)
from dispatcher.core.scheduling.plan import Share
from dispatcher.store.artifacts.testing import ArtifactContract
from dispatcher.store.contract import Store
from dispatcher.store.documents.testing import DocumentContract
from dispatcher.store.environments.testing import EnvironmentContract
from dispatcher.store.events.testing import EventContract
from dispatcher.store.idempotency.testing import IdempotencyContract
from dispatcher.store.labels.testing import LabelContract
from dispatcher.store.leases.testing import LeaseContract
from dispatcher.store.metrics.testing import MetricsContract
from dispatcher.store.registry.testing import RegistryContract
from dispatcher.store.retention.deletions_testing import DeletionContract
from dispatcher.store.retention.references_testing import ReferenceContract
from dispatcher.store.runs.search_testing import SearchContract
from dispatcher.store.runs.table_testing import RunTableContract
from dispatcher.store.runs.testing import RunContract, add, change, make
from dispatcher.store.sweeps.testing import SweepContract
from dispatcher.store.tokens.testing import TokenContract


class TransactionContract:
    """What every store keeps of transactions and commits."""

    def test_work_that_raises_changes_nothing(self, store: Store) -> None:
        def work(tx: Any) -> None:
            tx.runs.add([make("r")])
            raise ValueError("no")

        with pytest.raises(ValueError, match="no"):
            store.write(work)
        assert store.read(lambda tx: tx.runs.get(["r"])) == {}

    def test_a_commit_tells_which_runs_it_changed(self, store: Store) -> None:
        heard: list[str] = []
        store.subscribe(lambda commit: heard.extend(run.id for run in commit.runs))
        [run] = add(store, make("r"))
        store.write(lambda tx: tx.runs.save([change(run, Placed((Share("n"),)))]))
        store.write(lambda tx: tx.labels.set_tags("r", {"a": "b"}))
        assert heard == ["r", "r"]

    def test_many_writers_at_once_lose_nothing(self, store: Store) -> None:
        def work(k: int) -> None:
            for n in range(10):
                add(store, make(f"r{k}-{n}"))

        threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        runs = store.read(lambda tx: tx.runs.queue("local", 1000))
        assert sorted(run.seq for run in runs) == list(range(1, 81))
        assert sorted(run.number for run in runs) == list(range(1, 81))


class StoreContract(
    TransactionContract,
    RunContract,
    RunTableContract,
    SearchContract,
    LabelContract,
    MetricsContract,
    DocumentContract,
    ArtifactContract,
    RegistryContract,
    EnvironmentContract,
    EventContract,
    SweepContract,
    LeaseContract,
    IdempotencyContract,
    TokenContract,
    DeletionContract,
    ReferenceContract,
):
    """All that a store keeps."""
