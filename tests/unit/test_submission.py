"""Submissions that are repeated, and waits of parents with many children."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dispatcher.core.errors import RunConflict, WaitCycle
from dispatcher.core.scheduling import Capacity, Node
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


def test_a_wait_cycle_beyond_a_hundred_children_is_found(store: SqlStore, tmp_path: Path) -> None:
    house = House(store, fakes(cpus=2), str(tmp_path), time.time)
    store.write(lambda tx: tx.registry.put_target("t", {"name": "t", "lend_slots": False}))
    house.start()
    try:
        house.submit("p", "q")
        house.until(lambda: house.status_of("p") == house.status_of("q") == "Running")
        house.submit(*[f"q{k}" for k in range(150)], parent_id="q", priority=-1)
        house.submit("c", parent_id="p")
        house.parking.park("p", ["q"])
        with pytest.raises(WaitCycle, match="can never end"):
            house.parking.park("q", [f"q{k}" for k in range(149, 150)])
    finally:
        house.stop()
