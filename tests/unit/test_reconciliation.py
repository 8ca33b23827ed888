"""What is owed to a run follows from what is: any history ends, and leaves nothing behind."""

from contextlib import suppress
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.core.reconciliation import Action, reconcile, settle
from dispatcher.core.runs.jobs import Evidence, Observation, State, combine
from dispatcher.core.runs.lifecycle import (
    CancelRequested,
    Failed,
    IllegalTransition,
    Placed,
    Run,
    Status,
    first,
    step,
)
from dispatcher.core.runs.spec import Retries, RunSpec
from dispatcher.core.runs.verdicts import RECORD_REMOVED
from dispatcher.core.scheduling.plan import Share
from dispatcher.wire.jobs import Job
from targets.fake import FakeTarget

SPEC = RunSpec(id="r", experiment="e", script="a.py", snapshot="0" * 64)
GOOD = Evidence(exit_code=0, started_at=1.0, ended_at=2.0)
BAD = Evidence(exit_code=3, started_at=1.0, ended_at=2.0)
LOST = Evidence(reason="supervisor lost", started_at=1.0, ended_at=2.0)


def placed(run: Run) -> Run:
    return step(run, Placed((Share("n"),))) if run.status is Status.QUEUED else run


def turn(run: Run, target: FakeTarget) -> Run:
    """What the engine does: look, settle, act. Placing included."""
    run = placed(run)
    if not run.owed:
        return run
    name = run.job_names[0]
    after, _events, action = settle(run, target.poll([name])[name], 10.0)
    if action is Action.LAUNCH:
        target.launch([Job(name, run.id, run.attempt)])
    elif action is Action.STOP:
        target.stop([name], grace=0)
    elif action is Action.REMOVE:
        target.remove([name])
    return after


mishaps = st.sampled_from(
    ["turn", "good end", "bad end", "supervisor lost", "vanishes", "cancel", "fail"]
)


@settings(max_examples=500)
@given(history=st.lists(mishaps), infra=st.integers(0, 3))
def test_every_run_ends_and_leaves_nothing_behind(history: list[str], infra: int) -> None:
    spec = SPEC.model_copy(update={"max_retries": Retries(infra=infra)})
    run, target = first(spec, now=0.0, parent=None), FakeTarget()
    for happening in [*history, *["turn", "good end", "turn", "turn"] * (infra + 4)]:
        name = f"r-{run.attempt}"
        live = name in target.alive()
        match happening:
            case "turn":
                run = turn(run, target)
            case "good end" if live:
                target.end(name, GOOD)
            case "bad end" if live:
                target.end(name, BAD)
            case "supervisor lost" if live:
                target.end(name, LOST)
            case "vanishes" if live:
                target.lose(name)
            case "cancel":
                with suppress(IllegalTransition):
                    run = step(run, CancelRequested(5.0))
            case "fail":
                with suppress(IllegalTransition):
                    run = step(run, Failed(5.0, {"error": {"code": "UserError"}}))
    assert run.terminal
    assert run.released or not run.placement
    assert not target.alive()
    assert len(target.launches) == len(set(target.launches)) <= infra + 1


def test_a_planted_fault_is_caught_by_that_property() -> None:
    """Relaunching what vanished under the same name is what the property above must refuse."""
    target = FakeTarget()
    run = placed(first(SPEC, now=0.0, parent=None))
    run = turn(run, target)
    run = turn(run, target)
    assert run.status is Status.RUNNING
    del target.observations["r-1"]  # the planted fault: its claim is lost with it
    target.launch([Job("r-1", "r", 1)])
    assert len(target.launches) != len(set(target.launches))


def test_unreachable_is_never_taken_for_dead() -> None:
    running = replace(placed(first(SPEC, now=0.0, parent=None)), status=Status.RUNNING)
    unknown = Observation(State.UNKNOWN)
    after, events, action = settle(running, unknown, 5.0)
    assert (after.status, after.shown_status, action) == (Status.RUNNING, "NotResponding", None)
    assert len(events) == 1
    again, more, _ = settle(after, unknown, 9.0)
    assert (again, more) == (after, [])
    back, _, _ = settle(after, Observation(State.ALIVE, 1.0), 10.0)
    assert back.shown_status == "Running"


def test_completed_needs_exit_code_0_seen() -> None:
    running = replace(placed(first(SPEC, now=0.0, parent=None)), status=Status.RUNNING)
    for evidence, status in (
        (GOOD, Status.COMPLETED),
        (BAD, Status.FAILED),
        (replace(GOOD, oom=True), Status.FAILED),
        (Evidence(exit_code=0, reason="time limit"), Status.FAILED),
        (Evidence(signal=9, reason="signaled"), Status.FAILED),
    ):
        after, _, _ = settle(running, Observation(State.EXITED, 1.0, evidence), 5.0)
        assert after.status is status


def test_a_cancel_withdraws_a_job_that_may_still_be_on_its_way() -> None:
    asked = step(placed(first(SPEC, now=0.0, parent=None)), CancelRequested(1.0))
    assert reconcile(asked, Observation(State.ABSENT), 2.0) is Action.STOP
    after, _, _ = settle(asked, Observation(State.REMOVED), 2.0)
    assert after.status is Status.CANCELED


def test_one_that_had_started_unseen_when_it_was_canceled_is_said_to_have_started() -> None:
    asked = step(placed(first(SPEC, now=0.0, parent=None)), CancelRequested(1.0))
    after, _, action = settle(asked, Observation(State.ALIVE, 0.5), 2.0)
    assert (after.status, after.started_at) == (Status.CANCEL_REQUESTED, 0.5)
    assert action is Action.STOP


def test_a_gang_that_loses_a_member_is_stopped_and_then_fails_for_its_reason() -> None:
    running = replace(placed(first(SPEC, now=0.0, parent=None)), status=Status.RUNNING)
    half = combine([Observation(State.ALIVE, 1.0), Observation(State.EXITED, 1.0, BAD)])
    assert reconcile(running, half, 3.0) is Action.STOP
    stopped = Evidence(signal=15, reason="stopped", ended_at=9.0)
    ended = combine([Observation(State.EXITED, 1.0, stopped), Observation(State.EXITED, 1.0, BAD)])
    after, _, _ = settle(running, ended, 10.0)
    assert after.status is Status.FAILED
    assert after.error is not None
    assert "code 3" in after.error["error"]["message"]


def test_a_gang_of_which_nothing_is_left_is_released() -> None:
    forgotten = Evidence(reason=RECORD_REMOVED, ended_at=9.0)
    running = replace(placed(first(SPEC, now=0.0, parent=None)), status=Status.RUNNING)
    failed, _, _ = settle(running, Observation(State.EXITED, 1.0, BAD), 5.0)
    left = combine([Observation(State.REMOVED, None, forgotten)] * 2)
    after, _, due = settle(failed, left, 10.0)
    assert (after.owed, due) == (False, None)


def test_a_run_whose_record_was_removed_fails_and_is_not_run_again() -> None:
    forgotten = Evidence(reason=RECORD_REMOVED, ended_at=9.0)
    running = replace(placed(first(SPEC, now=0.0, parent=None)), status=Status.RUNNING)
    after, _, _ = settle(running, Observation(State.REMOVED, None, forgotten), 10.0)
    assert (after.status, after.attempt) == (Status.FAILED, 1)
    assert after.error is not None
    assert after.error["error"]["code"] == "RecordRemoved"
