"""Submissions that are repeated, and waits of parents with many children."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dispatcher.core.errors import RunConflict, WaitCycle
from dispatcher.core.scheduling.plan import Capacity, Node
from dispatcher.store.sql import SqlStore
from tests.unit.house import House, fakes


@pytest.fixture
def house(store: SqlStore, tmp_path: Path) -> Iterator[House]:
    house = House(store, fakes(cpus=1), str(tmp_path), time.time).start()
    house.until(lambda: house.targets.capacity("t") is not None)
    yield house
    house.stop()


def resize(house: House, capacity: Capacity) -> None:
    house.kinds.targets["t"]._capacity = capacity
    house.targets.refresh()
    house.until(lambda: house.targets.present("t") == capacity)


def test_a_submission_repeated_after_the_target_grew_answers_the_same_run(house: House) -> None:
    [run] = house.submit("a")
    assert run.spec.gpus == 0
    resize(house, Capacity((Node("n", 1, ("0", "1")),)))
    [again] = house.submit("a")
    assert (again.id, again.spec.gpus) == ("a", 0)
    with pytest.raises(RunConflict):
        house.submit("a", gpus=1)


def test_a_submission_repeated_after_the_target_went_away_answers_the_same_run(
    house: House,
) -> None:
    house.submit("a")
    house.store.write(lambda tx: tx.registry.delete_target("t"))
    assert [run.id for run in house.submit("a")] == ["a"]


def test_a_target_that_was_attached_or_changed_counts_at_once(house: House) -> None:
    house.submit("a")
    config = {"name": "t", "default_gpus": 0, "kind": "fake"}
    house.store.write(lambda tx: tx.registry.put_target("t", config))
    assert house.catalog.configs()["t"] == config


def test_a_parent_that_holds_what_a_trial_of_its_sweep_needs_is_refused_its_wait(
    store: SqlStore, tmp_path: Path
) -> None:
    """However many trials there are: the one that can never run is the first of 150."""
    small = Capacity((Node("small", 4, ("0",)),))
    house = House(store, fakes(cpus=4, gpu=small), str(tmp_path), time.time).start()
    try:
        house.until(lambda: house.targets.capacity("gpu") is not None)
        house.submit("p", target="gpu", gpus=1)
        house.until(lambda: house.status_of("p") == "Running")
        house.submit("s", parent_id="p", type="hyperdrive", interactive=True, command=None)
        house.submit("s_0", parent_id="s", target="gpu", gpus=1)
        house.submit(*[f"s_{k}" for k in range(1, 150)], parent_id="s")
        with pytest.raises(WaitCycle, match="p -> s -> s_0 -> p"):
            house.parking.park("p", ["s"])
    finally:
        house.stop()


def test_a_parent_may_wait_for_a_sweep_whose_trials_can_all_run(
    store: SqlStore, tmp_path: Path
) -> None:
    house = House(store, fakes(cpus=1), str(tmp_path), time.time).start()
    try:
        house.submit("p")
        house.until(lambda: house.status_of("p") == "Running")
        house.submit("s", parent_id="p", type="hyperdrive", interactive=True, command=None)
        house.submit("s_0", "s_1", parent_id="s")
        house.parking.park("p", ["s"])
        house.until(lambda: house.status_of("s_0") == "Running")
    finally:
        house.stop()
