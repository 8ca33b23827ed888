"""What an engine and a shim say, put together: a table of every combination that matters."""

from typing import Any

import pytest

from dispatcher.core.runs.jobs import Evidence, State
from dispatcher.core.runs.verdicts import judge
from targets.docker.evidence import moment, observe, removed_outside

AT = "2026-01-02T03:04:05.123456789Z"
NEVER = "0001-01-01T00:00:00Z"


def container(status: str = "exited", code: int = 0, oom: bool = False) -> dict[str, Any]:
    state = {"Status": status, "ExitCode": code, "OOMKilled": oom, "StartedAt": AT}
    return {"State": {**state, "FinishedAt": AT}}


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("created", State.CREATED),
        ("running", State.ALIVE),
        ("paused", State.ALIVE),
        ("removing", State.ALIVE),
        ("exited", State.EXITED),
        ("dead", State.EXITED),
    ],
)
def test_a_container_shows_its_jobs_state(status: str, state: State) -> None:
    assert observe(container(status), None).state is state


@pytest.mark.parametrize(
    ("code", "oom", "record", "stopped", "blame"),
    [
        (0, False, Evidence(exit_code=0), False, "ok"),
        (1, False, Evidence(exit_code=1), False, "user"),
        (139, False, Evidence(signal=11, reason="signaled"), False, "user"),
        (0, True, Evidence(exit_code=0), False, "ok"),  # the script got over it
        (137, True, Evidence(signal=9, reason="signaled"), False, "resource"),
        (1, True, Evidence(exit_code=1), False, "resource"),  # its child was killed for memory
        (137, True, None, False, "resource"),
        (137, False, None, False, "infra"),
        (143, False, None, False, "infra"),
        (137, False, None, True, "policy"),
        (143, False, Evidence(signal=15, reason="stopped"), True, "policy"),
        (143, False, Evidence(signal=15, reason="stopped"), False, "infra"),
        (1, False, Evidence(reason="time limit", signal=9), False, "policy"),
        (0, False, None, False, "infra"),  # nothing is said to have ended well without a record
        (1, False, None, False, "infra"),
        (127, False, None, False, "user"),
        (126, False, None, False, "user"),
    ],
)
def test_an_end_is_laid_at_the_right_door(
    code: int, oom: bool, record: Evidence | None, stopped: bool, blame: str
) -> None:
    seen = observe(container(code=code, oom=oom), record, stopped=stopped)

    assert seen.evidence is not None
    assert judge(seen.evidence).cls == blame


def test_a_container_removed_by_hand_is_a_loss_unless_its_record_says_how_it_ended() -> None:
    lost, told = (
        removed_outside(None, 1.0).evidence,
        removed_outside(Evidence(exit_code=0), 1.0).evidence,
    )

    assert lost is not None
    assert told is not None
    assert (judge(lost).cls, judge(told).cls) == ("infra", "ok")


def test_an_engines_never_is_no_moment() -> None:
    assert moment(NEVER) is None
    assert moment("") is None
    assert moment(AT) == pytest.approx(1767323045.123456)
