"""The state machine: the table is the truth, and nothing gets round it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core.runs import lifecycle as lc
from dispatcher.core.runs.jobs import Evidence
from dispatcher.core.runs.lifecycle import (
    TERMINAL,
    TRANSITIONS,
    IllegalTransition,
    Run,
    Status,
    step,
)
from dispatcher.core.runs.spec import RunSpec
from dispatcher.core.scheduling.plan import Share

SPEC = RunSpec(id="r", experiment="e", script="a.py", snapshot="0" * 64)
EVENTS: tuple[lc.Event, ...] = (
    lc.PrepareStarted(),
    lc.Placed((Share("n"),)),
    lc.Started(1.0),
    lc.Exited(Evidence(exit_code=0)),
    lc.Completed(2.0),
    lc.Failed(2.0, {"error": {"code": "UserError"}}),
    lc.CancelRequested(2.0),
    lc.Canceled(2.0),
    lc.Retried(2, {"infra": 1}),
    lc.Released(),
    lc.SlotLent(("c",)),
    lc.SlotWanted(),
    lc.SlotTaken(),
    lc.ContactLost(1.0),
    lc.ContactRegained(),
    lc.ErrorNoted({"error": {"code": "UserError"}}),
)
events = st.sampled_from(EVENTS)


def run(status: Status = Status.QUEUED) -> Run:
    return Run("r", SPEC, status=status)


@pytest.mark.parametrize("status", list(Status))
@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_an_event_does_what_the_table_says_or_nothing(status: Status, event: lc.Event) -> None:
    before = run(status)
    expected = TRANSITIONS[status].get(type(event))
    if expected is None:
        with pytest.raises(IllegalTransition, match="cannot happen"):
            step(before, event)
        assert before == run(status)
    else:
        after = step(before, event)
        assert (after.status, after.version) == (expected, 1)


@given(st.lists(events, max_size=30))
def test_a_terminal_state_never_changes(history: list[lc.Event]) -> None:
    now, ended = run(), None
    for event in history:
        try:
            now = step(now, event)
        except IllegalTransition:
            continue
        if ended is not None:
            assert (now.status, now.ended_at, now.error) == ended
        if now.terminal:
            ended = (now.status, now.ended_at, now.error)


@given(st.lists(events, max_size=30))
def test_once_a_cancel_is_acknowledged_the_run_never_starts_anew_nor_completes(
    history: list[lc.Event],
) -> None:
    now = step(step(run(), lc.Placed((Share("n"),))), lc.CancelRequested(1.0))
    for event in history:
        try:
            now = step(now, event)
        except IllegalTransition:
            continue
        assert now.status in (Status.CANCEL_REQUESTED, Status.CANCELED)


@given(st.lists(events, max_size=30))
def test_the_version_counts_every_change(history: list[lc.Event]) -> None:
    now, changes = run(), 0
    for event in history:
        try:
            now = step(now, event)
            changes += 1
        except IllegalTransition:
            pass
        assert now.version == changes


def test_a_terminal_run_has_the_time_of_its_end_and_an_open_one_has_none() -> None:
    asked = step(step(run(), lc.Placed((Share("n"),))), lc.CancelRequested(5.0))
    assert asked.ended_at is None
    assert step(asked, lc.Canceled(7.0)).ended_at == 7.0
    assert step(run(), lc.CancelRequested(5.0)).ended_at == 5.0


def test_a_retry_begins_anew_under_the_next_attempt() -> None:
    ended = replace(
        run(Status.FINALIZING), placement=(Share("n"),), evidence=Evidence(), started_at=1.0
    )
    again = step(ended, lc.Retried(2, {"infra": 1}))
    assert (again.status, again.attempt, again.placement, again.evidence) == (
        Status.QUEUED, 2, (), None,
    )  # fmt: skip


def test_an_interactive_run_is_completed_by_its_driver_and_not_otherwise() -> None:
    spec = SPEC.model_copy(update={"interactive": True, "script": None})
    driven = lc.first(spec, now=1.0, parent=None)
    assert driven.status is Status.RUNNING
    assert step(driven, lc.Completed(2.0)).status is Status.COMPLETED
    with pytest.raises(IllegalTransition):
        step(run(Status.RUNNING), lc.Completed(2.0))


def test_a_run_that_does_not_answer_reads_not_responding_until_it_does() -> None:
    silent = step(run(Status.RUNNING), lc.ContactLost(3.0))
    assert (silent.status, silent.shown_status) == (Status.RUNNING, "NotResponding")
    assert step(silent, lc.ContactRegained()).shown_status == "Running"


def test_every_status_of_the_table_can_be_left_or_is_terminal() -> None:
    for status, moves in TRANSITIONS.items():
        assert status in TERMINAL or any(target is not status for target in moves.values())
