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
from tests.unit.installation import Installation, fakes

GOOD = Evidence(exit_code=0, started_at=1.0, ended_at=2.0)
BAD = Evidence(exit_code=3, started_at=1.0, ended_at=2.0)


@pytest.fixture
def installation(store: SqlStore, tmp_path: Path) -> Iterator[Installation]:
    installation = Installation(store, fakes(), str(tmp_path), time.time).start()
    yield installation
    installation.stop()


def end(installation: Installation, run_id: str, evidence: Evidence = GOOD) -> None:
    """The job of a run ends, and the target says so."""
    attempt = installation.status.get(run_id).attempt
    installation.kinds.targets["t"].end(f"{run_id}-{attempt}", evidence)


def test_runs_are_started_as_slots_allow_and_end_as_their_jobs_do(
    installation: Installation,
) -> None:
    installation.submit("a", "b", "c")
    installation.until(lambda: installation.kinds.targets["t"].alive() == {"a-1", "b-1"})
    assert installation.status_of("c") == "Queued"
    end(installation, "a")
    end(installation, "b", BAD)
    installation.until(lambda: installation.status_of("a") == "Completed")
    installation.until(lambda: installation.status_of("b") == "Failed")
    installation.until(lambda: installation.kinds.targets["t"].alive() == {"c-1"})
    end(installation, "c")
    installation.until(lambda: installation.status_of("c") == "Completed")
    installation.until(lambda: not installation.store.read(lambda tx: tx.runs.owed()))


def test_a_new_engine_goes_on_where_the_old_one_was_killed(
    installation: Installation, tmp_path: Path
) -> None:
    installation.submit("a", "b", "c")
    installation.until(lambda: len(installation.kinds.targets["t"].alive()) == 2)
    installation.engine.stop()
    installation.kinds.targets["t"].end("a-1", GOOD)
    second = Installation(
        installation.store, installation.kinds, str(tmp_path), lambda: time.time() + 60
    ).start()
    try:
        second.until(lambda: second.status_of("a") == "Completed")
        second.until(lambda: second.kinds.targets["t"].alive() == {"b-1", "c-1"})
    finally:
        second.stop()
    assert sorted(installation.kinds.targets["t"].launches) == ["a-1", "b-1", "c-1"]


def test_a_cancel_reaches_all_below_and_none_of_them_starts_after_it(
    installation: Installation,
) -> None:
    installation.submit("p")
    installation.until(lambda: installation.status_of("p") == "Running")
    installation.submit(*[f"c{k}" for k in range(20)], parent_id="p")
    installation.until(lambda: len(installation.kinds.targets["t"].alive()) == 2)
    installation.status.cancel("p")
    launched = list(installation.kinds.targets["t"].launches)
    ids = ["p", *[f"c{k}" for k in range(20)]]
    installation.until(lambda: all(installation.status_of(i) == "Canceled" for i in ids))
    assert installation.kinds.targets["t"].launches == launched
    installation.until(lambda: not installation.kinds.targets["t"].alive())


def test_a_lost_attempt_is_tried_again_once_and_a_script_that_fails_is_not(
    installation: Installation,
) -> None:
    installation.submit("a")
    installation.until(lambda: installation.status_of("a") == "Running")
    end(installation, "a", Evidence(reason="supervisor lost", started_at=1.0))
    installation.until(lambda: installation.kinds.targets["t"].alive() == {"a-2"})
    end(installation, "a", Evidence(reason="supervisor lost", started_at=1.0))
    installation.until(lambda: installation.status_of("a") == "Failed")
    assert installation.kinds.targets["t"].launches == ["a-1", "a-2"]
    assert "supervisor lost" in str(installation.status.get("a").error)


def test_a_launch_that_is_refused_fails_the_run_with_the_reason(installation: Installation) -> None:
    installation.kinds.targets["t"].refuses["a"] = "no image 'x'"
    installation.submit("a")
    installation.until(lambda: installation.status_of("a") == "Failed")
    assert "no image 'x'" in str(installation.status.get("a").error)


def test_a_target_that_is_away_loses_nothing(installation: Installation) -> None:
    target = installation.kinds.targets["t"]
    installation.submit("a")
    installation.until(lambda: installation.status_of("a") == "Running")
    target.away = True
    installation.submit("b")
    installation.until(lambda: installation.status_of("a") == "NotResponding")
    target.away = False
    installation.until(lambda: installation.status_of("a") == "Running")
    installation.until(lambda: target.alive() == {"a-1", "b-1"})
    assert target.launches == ["a-1", "b-1"]


def test_what_another_target_says_of_a_run_is_not_heard(installation: Installation) -> None:
    installation.submit("a")
    installation.until(lambda: installation.status_of("a") == "Running")

    installation.engine.post(Observed("other", {"a-1": Observation(State.EXITED, 1.0, BAD)}))
    end(installation, "a")

    installation.until(lambda: installation.status_of("a") == "Completed")


def test_a_parent_that_waits_lends_its_slot_and_gets_the_next_free_one(
    store: SqlStore, tmp_path: Path
) -> None:
    installation = Installation(store, fakes(cpus=1), str(tmp_path), time.time).start()
    try:
        installation.submit("p")
        installation.until(lambda: installation.status_of("p") == "Running")
        installation.submit("c", "d", parent_id="p")
        installation.parking.park("p", ["c"])
        installation.until(lambda: installation.status_of("c") == "Running")
        assert installation.status_of("d") == "Queued"
        installation.parking.unpark("p")
        assert installation.status.get("p").slot is Slot.WANTED
        end(installation, "c")
        installation.until(lambda: installation.status.get("p").slot is Slot.HELD)
        assert installation.status_of("d") == "Queued"  # the parent came first
        end(installation, "p")
        installation.until(lambda: installation.status_of("d") == "Running")
    finally:
        installation.stop()


def test_with_lending_off_a_wait_that_can_never_end_is_refused_with_its_cycle(
    store: SqlStore, tmp_path: Path
) -> None:
    installation = Installation(store, fakes(cpus=1), str(tmp_path), time.time)
    store.write(lambda tx: tx.registry.put_target("t", {"name": "t", "lend_slots": False}))
    installation.start()
    try:
        installation.submit("p")
        installation.until(lambda: installation.status_of("p") == "Running")
        installation.submit("c", parent_id="p")
        with pytest.raises(WaitCycle, match="p -> c -> p"):
            installation.parking.park("p", ["c"])
    finally:
        installation.stop()


def test_a_failed_child_fails_its_parent_where_that_was_asked(installation: Installation) -> None:
    installation.submit("p", child_policy="fail_parent")
    installation.until(lambda: installation.status_of("p") == "Running")
    installation.submit("c", parent_id="p")
    installation.until(lambda: installation.status_of("c") == "Running")
    end(installation, "c", BAD)
    installation.until(lambda: installation.status_of("p") == "Failed")
    assert "c failed" in str(installation.status.get("p").error)
    installation.until(lambda: not installation.kinds.targets["t"].alive())


def test_a_failed_child_cancels_its_siblings_where_that_was_asked(
    installation: Installation,
) -> None:
    installation.submit("p", child_policy="cancel_siblings", cpus=0)
    installation.until(lambda: installation.status_of("p") == "Running")
    installation.submit("a", "b", "c", parent_id="p")
    installation.until(lambda: installation.status_of("b") == "Running")
    end(installation, "a", BAD)
    installation.until(
        lambda: installation.status_of("b") == installation.status_of("c") == "Canceled"
    )
    assert installation.status_of("p") == "Running"


def test_ten_thousand_queued_runs_do_not_slow_the_next_one_down(installation: Installation) -> None:
    installation.submit(*[f"r{k}" for k in range(10_000)])
    started = time.perf_counter()
    for k in range(50):
        installation.until(lambda k=k: installation.status_of(f"r{k}") == "Running")  # type: ignore[misc]
        end(installation, f"r{k}")
    print(f"{(time.perf_counter() - started) / 50 * 1000:.1f} ms a run")
    installation.until(lambda: installation.status_of("r49") == "Completed")


def test_a_run_waits_for_a_large_node_that_is_away_and_is_not_refused(
    store: SqlStore, tmp_path: Path
) -> None:
    both = Capacity((Node("small", 1), Node("large", 8)))
    installation = Installation(store, fakes(grid=both), str(tmp_path), time.time).start()
    grid = installation.kinds.targets["grid"]
    try:
        installation.until(lambda: installation.targets.capacity("grid") == both)
        grid._capacity = Capacity((Node("small", 1),))
        installation.until(lambda: installation.targets.present("grid") == grid._capacity)
        installation.submit("big", target="grid", cpus=4)
        installation.submit("tiny", target="grid")
        installation.until(lambda: installation.status_of("tiny") == "Running")
        assert installation.status_of("big") == "Queued"
        grid._capacity = both
        installation.until(lambda: installation.status_of("big") == "Running")
    finally:
        installation.stop()
