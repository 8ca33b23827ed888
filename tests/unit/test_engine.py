"""The engine over fake targets and a real store."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dispatcher.core.errors import WaitCycle
from dispatcher.core.runs.jobs import Evidence, Observation, State
from dispatcher.core.runs.lifecycle import Slot
from dispatcher.core.scheduling.plan import Capacity, Node
from dispatcher.engine.messages import Observed
from dispatcher.store.sql import SqlStore
from tests.unit.house import House, fakes

GOOD = Evidence(exit_code=0, started_at=1.0, ended_at=2.0)
BAD = Evidence(exit_code=3, started_at=1.0, ended_at=2.0)


@pytest.fixture
def house(store: SqlStore, tmp_path: Path) -> Iterator[House]:
    house = House(store, fakes(), str(tmp_path), time.time).start()
    yield house
    house.stop()


def end(house: House, run_id: str, evidence: Evidence = GOOD) -> None:
    """The job of a run ends, and the target says so."""
    attempt = house.status.get(run_id).attempt
    house.kinds.targets["t"].end(f"{run_id}-{attempt}", evidence)


def test_runs_are_started_as_slots_allow_and_end_as_their_jobs_do(house: House) -> None:
    house.submit("a", "b", "c")
    house.until(lambda: house.kinds.targets["t"].alive() == {"a-1", "b-1"})
    assert house.status_of("c") == "Queued"
    end(house, "a")
    end(house, "b", BAD)
    house.until(lambda: house.status_of("a") == "Completed")
    house.until(lambda: house.status_of("b") == "Failed")
    house.until(lambda: house.kinds.targets["t"].alive() == {"c-1"})
    end(house, "c")
    house.until(lambda: house.status_of("c") == "Completed")
    house.until(lambda: not house.store.read(lambda tx: tx.runs.owed()))


def test_a_new_engine_goes_on_where_the_old_one_was_killed(house: House, tmp_path: Path) -> None:
    house.submit("a", "b", "c")
    house.until(lambda: len(house.kinds.targets["t"].alive()) == 2)
    house.engine.stop()
    house.kinds.targets["t"].end("a-1", GOOD)
    second = House(house.store, house.kinds, str(tmp_path), lambda: time.time() + 60).start()
    try:
        second.until(lambda: second.status_of("a") == "Completed")
        second.until(lambda: second.kinds.targets["t"].alive() == {"b-1", "c-1"})
    finally:
        second.stop()
    assert sorted(house.kinds.targets["t"].launches) == ["a-1", "b-1", "c-1"]


def test_a_cancel_reaches_all_below_and_none_of_them_starts_after_it(house: House) -> None:
    house.submit("p")
    house.until(lambda: house.status_of("p") == "Running")
    house.submit(*[f"c{k}" for k in range(20)], parent_id="p")
    house.until(lambda: len(house.kinds.targets["t"].alive()) == 2)
    house.status.cancel("p")
    launched = list(house.kinds.targets["t"].launches)
    ids = ["p", *[f"c{k}" for k in range(20)]]
    house.until(lambda: all(house.status_of(i) == "Canceled" for i in ids))
    assert house.kinds.targets["t"].launches == launched
    house.until(lambda: not house.kinds.targets["t"].alive())


def test_a_lost_attempt_is_tried_again_once_and_a_script_that_fails_is_not(house: House) -> None:
    house.submit("a")
    house.until(lambda: house.status_of("a") == "Running")
    end(house, "a", Evidence(reason="supervisor lost", started_at=1.0))
    house.until(lambda: house.kinds.targets["t"].alive() == {"a-2"})
    end(house, "a", Evidence(reason="supervisor lost", started_at=1.0))
    house.until(lambda: house.status_of("a") == "Failed")
    assert house.kinds.targets["t"].launches == ["a-1", "a-2"]
    assert "supervisor lost" in str(house.status.get("a").error)


def test_a_launch_that_is_refused_fails_the_run_with_the_reason(house: House) -> None:
    house.kinds.targets["t"].refuses["a"] = "no image 'x'"
    house.submit("a")
    house.until(lambda: house.status_of("a") == "Failed")
    assert "no image 'x'" in str(house.status.get("a").error)


def test_a_target_that_is_away_loses_nothing(house: House) -> None:
    target = house.kinds.targets["t"]
    house.submit("a")
    house.until(lambda: house.status_of("a") == "Running")
    target.away = True
    house.submit("b")
    house.until(lambda: house.status_of("a") == "NotResponding")
    target.away = False
    house.until(lambda: house.status_of("a") == "Running")
    house.until(lambda: target.alive() == {"a-1", "b-1"})
    assert target.launches == ["a-1", "b-1"]


def test_what_another_target_says_of_a_run_is_not_heard(house: House) -> None:
    house.submit("a")
    house.until(lambda: house.status_of("a") == "Running")

    house.engine.post(Observed("other", {"a-1": Observation(State.EXITED, 1.0, BAD)}))
    end(house, "a")

    house.until(lambda: house.status_of("a") == "Completed")


def test_a_parent_that_waits_lends_its_slot_and_gets_the_next_free_one(
    store: SqlStore, tmp_path: Path
) -> None:
    house = House(store, fakes(cpus=1), str(tmp_path), time.time).start()
    try:
        house.submit("p")
        house.until(lambda: house.status_of("p") == "Running")
        house.submit("c", "d", parent_id="p")
        house.parking.park("p", ["c"])
        house.until(lambda: house.status_of("c") == "Running")
        assert house.status_of("d") == "Queued"
        house.parking.unpark("p")
        assert house.status.get("p").slot is Slot.WANTED
        end(house, "c")
        house.until(lambda: house.status.get("p").slot is Slot.HELD)
        assert house.status_of("d") == "Queued"  # the parent came first
        end(house, "p")
        house.until(lambda: house.status_of("d") == "Running")
    finally:
        house.stop()


def test_with_lending_off_a_wait_that_can_never_end_is_refused_with_its_cycle(
    store: SqlStore, tmp_path: Path
) -> None:
    house = House(store, fakes(cpus=1), str(tmp_path), time.time)
    store.write(lambda tx: tx.registry.put_target("t", {"name": "t", "lend_slots": False}))
    house.start()
    try:
        house.submit("p")
        house.until(lambda: house.status_of("p") == "Running")
        house.submit("c", parent_id="p")
        with pytest.raises(WaitCycle, match="p -> c -> p"):
            house.parking.park("p", ["c"])
    finally:
        house.stop()


def test_a_failed_child_fails_its_parent_where_that_was_asked(house: House) -> None:
    house.submit("p", child_policy="fail_parent")
    house.until(lambda: house.status_of("p") == "Running")
    house.submit("c", parent_id="p")
    house.until(lambda: house.status_of("c") == "Running")
    end(house, "c", BAD)
    house.until(lambda: house.status_of("p") == "Failed")
    assert "c failed" in str(house.status.get("p").error)
    house.until(lambda: not house.kinds.targets["t"].alive())


def test_a_failed_child_cancels_its_siblings_where_that_was_asked(house: House) -> None:
    house.submit("p", child_policy="cancel_siblings", cpus=0)
    house.until(lambda: house.status_of("p") == "Running")
    house.submit("a", "b", "c", parent_id="p")
    house.until(lambda: house.status_of("b") == "Running")
    end(house, "a", BAD)
    house.until(lambda: house.status_of("b") == house.status_of("c") == "Canceled")
    assert house.status_of("p") == "Running"


def test_ten_thousand_queued_runs_do_not_slow_the_next_one_down(house: House) -> None:
    house.submit(*[f"r{k}" for k in range(10_000)])
    started = time.perf_counter()
    for k in range(50):
        house.until(lambda k=k: house.status_of(f"r{k}") == "Running")  # type: ignore[misc]
        end(house, f"r{k}")
    print(f"{(time.perf_counter() - started) / 50 * 1000:.1f} ms a run")
    house.until(lambda: house.status_of("r49") == "Completed")


def test_a_run_waits_for_a_large_node_that_is_away_and_is_not_refused(
    store: SqlStore, tmp_path: Path
) -> None:
    both = Capacity((Node("small", 1), Node("large", 8)))
    house = House(store, fakes(grid=both), str(tmp_path), time.time).start()
    grid = house.kinds.targets["grid"]
    try:
        house.until(lambda: house.targets.capacity("grid") == both)
        grid._capacity = Capacity((Node("small", 1),))
        house.until(lambda: house.targets.present("grid") == grid._capacity)
        house.submit("big", target="grid", cpus=4)
        house.submit("tiny", target="grid")
        house.until(lambda: house.status_of("tiny") == "Running")
        assert house.status_of("big") == "Queued"
        grid._capacity = both
        house.until(lambda: house.status_of("big") == "Running")
    finally:
        house.stop()
