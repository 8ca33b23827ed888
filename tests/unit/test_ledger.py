"""The engine's mirror of what is owed."""

from dataclasses import replace

import pytest

from dispatcher.core.jobs import ABSENT, Observation, State
from dispatcher.core.lifecycle import Placed, Run, Started, first, step
from dispatcher.core.scheduling import Share
from dispatcher.core.spec import RunSpec
from dispatcher.engine.ledger import Ledger

ALIVE = Observation(State.ALIVE, 1.0)


def _placed(gpus: tuple[str, ...] = ()) -> Run:
    spec = RunSpec(id="a", experiment="e", command="true", target="t")
    return step(first(spec, now=1.0, parent=None), Placed((Share("n", gpus=gpus),)))


def test_a_commit_that_is_older_than_what_is_known_changes_nothing() -> None:
    ledger, placed = Ledger(), _placed()
    running = step(placed, Started(2.0))
    assert ledger.put(running)
    assert not ledger.put(placed)
    assert ledger.get("a") is running


def test_what_was_seen_of_a_run_is_kept_when_the_store_tells_the_same_or_more() -> None:
    ledger, placed = Ledger(), _placed()
    ledger.put(placed)
    ledger.see("a-1", ALIVE)
    running = step(placed, Started(2.0))
    ledger.replace([running])
    assert ledger.get("a") is running
    assert ledger.seen(running) == ALIVE


@pytest.mark.parametrize(
    ("told", "late"),
    [
        (State.EXITED, State.ALIVE),
        (State.EXITED, State.CREATED),
        (State.EXITED, State.UNKNOWN),
        (State.ALIVE, State.CREATED),
    ],
)
def test_an_answer_that_comes_late_takes_back_nothing_that_was_told_meanwhile(
    told: State, late: State
) -> None:
    ledger, placed = Ledger(), _placed()
    ledger.placed_now(placed)
    ledger.see("a-1", Observation(told, 1.0))
    assert ledger.see("a-1", Observation(late)) == "a"
    assert ledger.state("a-1") is told


@pytest.mark.parametrize("then", [State.EXITED, State.REMOVED, State.ABSENT, State.UNKNOWN])
def test_a_living_job_may_end_or_be_lost(then: State) -> None:
    ledger, placed = Ledger(), _placed()
    ledger.placed_now(placed)
    ledger.see("a-1", ALIVE)
    ledger.see("a-1", Observation(then))
    assert ledger.state("a-1") is then


def test_a_store_that_went_back_is_believed() -> None:
    ledger, placed = Ledger(), _placed()
    ledger.placed_now(step(placed, Started(2.0)))
    ledger.replace([placed])
    assert ledger.get("a") is placed
    assert ledger.seen(placed) is None  # so that it is looked at anew


def test_a_run_that_was_placed_elsewhere_since_the_store_went_back_is_there() -> None:
    ledger, before = Ledger(), _placed(("0",))
    ledger.placed_now(before)
    assert ledger.seen(before) == ABSENT
    after = replace(before, placement=_placed(("1",)).placement)
    ledger.replace([after])
    assert ledger.get("a") is after
    assert ledger.seen(after) is None


def test_what_the_store_does_not_owe_is_forgotten() -> None:
    ledger = Ledger()
    ledger.placed_now(_placed())
    ledger.replace([])
    assert ledger.get("a") is None
    assert ledger.see("a-1", ALIVE) is None
