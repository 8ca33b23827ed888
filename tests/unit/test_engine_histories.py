"""Random histories: whatever goes wrong on the way, every healthy run ends, once started."""

from collections.abc import Callable
from pathlib import Path

import pytest

from dispatcher.core.runs.lifecycle import Status
from dispatcher.engine import audit, decide, queue_window
from dispatcher.engine.audit import Audit
from dispatcher.services.status import StatusService
from tests.unit.engine_simulation import GOOD, Simulation

STEPS = 120


def history(simulation: Simulation, *, break_rows: bool) -> None:
    """Random happenings, some of them faults."""
    choose = simulation.random
    faults: list[Callable[[], None]] = [
        lambda: simulation.carry_out(lie=True),
        simulation.fail_a_call,
        simulation.change_a_row_unseen,
        lambda: simulation.store.faults.append(choose.choice(["before", "after"])),
        lambda: setattr(simulation.targets["t"], "away", not simulation.targets["t"].away),
        lambda: setattr(simulation, "wall", simulation.wall + choose.choice([-86_400, 3600])),
        simulation.replace_engine,
    ]
    if break_rows:
        faults.append(simulation.break_a_row)
    usual: list[Callable[[], None]] = [
        lambda: simulation.submit(choose.choice("ttu"), cpus=choose.choice([0, 1, 1, 2])),
        simulation.end_a_job,
        simulation.carry_out,
        simulation.carry_out,
        simulation.turn,
        simulation.turn,
        simulation.look,
        simulation.cancel,
    ]
    simulation.submit("t")
    for _ in range(STEPS):
        faulty = choose.random() < 0.15
        try:
            choose.choice(faults if faulty else usual)()
        except Exception as error:
            if "connection broke" not in str(error) and "no run" not in str(error):
                raise  # a caller was told; what happens then is his
    simulation.settle_down()


@pytest.mark.parametrize("seed", range(40))
def test_every_run_ends_once_whatever_goes_wrong_on_the_way(seed: int, tmp_path: Path) -> None:
    simulation = Simulation(tmp_path, seed, queueing=seed % 2 == 0)
    history(simulation, break_rows=False)
    assert simulation.unfinished() == []
    assert max(simulation.starts().values(), default=1) == 1
    assert simulation.engine.parked == {}
    for target in simulation.targets.values():
        assert target.alive() == set()
    simulation.store.close()


@pytest.mark.parametrize("seed", range(40, 60))
def test_a_row_that_cannot_be_read_parks_its_run_and_no_other(seed: int, tmp_path: Path) -> None:
    simulation = Simulation(tmp_path, seed, queueing=seed % 2 == 0)
    history(simulation, break_rows=True)
    simulation.replace_engine()
    simulation.settle_down()
    assert simulation.unfinished() == []
    assert set(simulation.engine.parked) <= simulation.broken
    simulation.store.close()


def test_a_run_that_cannot_be_settled_is_parked_with_its_reason_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle = decide.settle

    def faulty(run, seen, now):  # type: ignore[no-untyped-def]
        if run.id == "r1":
            raise KeyError("a fault of ours")
        return settle(run, seen, now)

    monkeypatch.setattr(decide, "settle", faulty)
    simulation = Simulation(tmp_path, 1, queueing=False)
    for _ in range(4):
        simulation.submit("t", cpus=0)
    simulation.settle_down()
    assert simulation.unfinished() == ["r1"]
    assert simulation.engine.parked == {"r1": "it cannot be settled: KeyError: 'a fault of ours'"}
    simulation.store.close()


def test_a_move_that_cannot_be_stored_parks_its_run_and_the_others_are_committed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulation = Simulation(tmp_path, 1, queueing=False)
    for _ in range(5):
        simulation.submit("t", cpus=0)
    record_all = simulation.status.record_all

    def faulty(moves, fence=None):  # type: ignore[no-untyped-def]
        if any(move.after.id == "r3" for move in moves):
            raise ValueError("a row that cannot be stored")
        return record_all(moves, fence)

    monkeypatch.setattr(simulation.status, "record_all", faulty)
    simulation.settle_down()
    assert simulation.unfinished() == ["r3"]
    assert "a row that cannot be stored" in simulation.engine.parked["r3"]
    simulation.store.close()


def test_the_harness_notices_when_stale_moves_count_as_committed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A planted fault, with the audit that would mend it switched off."""
    record_all = StatusService.record_all

    def faulty(self, moves, fence=None):  # type: ignore[no-untyped-def]
        record_all(self, moves, fence)
        return set()

    monkeypatch.setattr(StatusService, "record_all", faulty)
    monkeypatch.setattr(Audit, "look", lambda _self: None)
    simulation = Simulation(tmp_path, 1, queueing=False)
    simulation.submit("t")
    while simulation.status.get("r0").status is not Status.RUNNING:
        simulation.look()
        simulation.carry_out()
    simulation.change_a_row_unseen()
    simulation.settle_down()
    assert simulation.unfinished() == ["r0"]
    simulation.store.close()


def test_a_queue_longer_than_its_head_in_memory_is_placed_without_a_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ends alone make the engine read the next part of the queue."""
    for module in (queue_window, audit):
        monkeypatch.setattr(module, "SIZE", 4)
    simulation = Simulation(tmp_path, 1, queueing=False)
    simulation.turn()
    for _ in range(20):  # twice the size and more
        simulation.submit("u")
    worker, target = simulation.live.workers["u"], simulation.targets["u"]
    for _ in range(60):
        simulation.turn()
        while worker.calls:
            worker.carry_out(0)
        for name in target.alive():
            target.end(name, GOOD)
    runs = simulation.store.read(lambda tx: tx.runs.get(simulation.ids))
    assert {run.status for run in runs.values()} == {Status.COMPLETED}
    simulation.store.close()
