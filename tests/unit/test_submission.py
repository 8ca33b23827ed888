"""Submissions that are repeated, and waits of parents with many children."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dispatcher.core.errors import RunConflict, WaitCycle
from dispatcher.core.scheduling.plan import Capacity, Node
from dispatcher.store.sql import SqlStore
from tests.unit.installation import Installation, fakes


@pytest.fixture
def installation(store: SqlStore, tmp_path: Path) -> Iterator[Installation]:
    installation = Installation(store, fakes(cpus=1), str(tmp_path), time.time).start()
    installation.until(lambda: installation.targets.capacity("t") is not None)
    yield installation
    installation.stop()


def resize(installation: Installation, capacity: Capacity) -> None:
    installation.kinds.targets["t"]._capacity = capacity
    installation.targets.refresh()
    installation.until(lambda: installation.targets.present("t") == capacity)


def test_a_submission_repeated_after_the_target_grew_answers_the_same_run(
    installation: Installation,
) -> None:
    [run] = installation.submit("a")
    assert run.spec.gpus == 0
    resize(installation, Capacity((Node("n", 1, ("0", "1")),)))
    [again] = installation.submit("a")
    assert (again.id, again.spec.gpus) == ("a", 0)
    with pytest.raises(RunConflict):
        installation.submit("a", gpus=1)


def test_a_submission_repeated_after_the_target_went_away_answers_the_same_run(
    installation: Installation,
) -> None:
    installation.submit("a")
    installation.store.write(lambda tx: tx.registry.delete_target("t"))
    assert [run.id for run in installation.submit("a")] == ["a"]


def test_a_target_that_was_attached_or_changed_counts_at_once(installation: Installation) -> None:
    installation.submit("a")
    config = {"name": "t", "default_gpus": 0, "kind": "fake"}
    installation.store.write(lambda tx: tx.registry.put_target("t", config))
    assert installation.catalog.configs()["t"] == config


def test_a_parent_that_holds_what_a_trial_of_its_sweep_needs_is_refused_its_wait(
    store: SqlStore, tmp_path: Path
) -> None:
    """However many trials there are: the one that can never run is the first of 150."""
    small = Capacity((Node("small", 4, ("0",)),))
    installation = Installation(store, fakes(cpus=4, gpu=small), str(tmp_path), time.time).start()
    try:
        installation.until(lambda: installation.targets.capacity("gpu") is not None)
        installation.submit("p", target="gpu", gpus=1)
        installation.until(lambda: installation.status_of("p") == "Running")
        installation.submit("s", parent_id="p", type="hyperdrive", interactive=True, command=None)
        installation.submit("s_0", parent_id="s", target="gpu", gpus=1)
        installation.submit(*[f"s_{k}" for k in range(1, 150)], parent_id="s")
        with pytest.raises(WaitCycle, match="p -> s -> s_0 -> p"):
            installation.parking.park("p", ["s"])
    finally:
        installation.stop()


def test_a_parent_may_wait_for_a_sweep_whose_trials_can_all_run(
    store: SqlStore, tmp_path: Path
) -> None:
    installation = Installation(store, fakes(cpus=1), str(tmp_path), time.time).start()
    try:
        installation.submit("p")
        installation.until(lambda: installation.status_of("p") == "Running")
        installation.submit("s", parent_id="p", type="hyperdrive", interactive=True, command=None)
        installation.submit("s_0", "s_1", parent_id="s")
        installation.parking.park("p", ["s"])
        installation.until(lambda: installation.status_of("s_0") == "Running")
    finally:
        installation.stop()
