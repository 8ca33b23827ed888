"""The observation of a job, from the engine's inspection and the shim's exit record. Pure.

The engine knows how the container's first process ended, and whether the kernel killed for memory.
The shim's exit record knows how the script ended. The record counts first; without a record the end
of the shim itself counts.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from dispatcher.core.runs.jobs import Evidence, Observation, State
from dispatcher.core.runs.verdicts import RECORD_REMOVED
from targets.docker.claims import ClaimRecord, ClaimState

SIGNALED = 128
KILLED = 137
NOT_STARTED = (126, 127)  # the exit codes of init if it cannot run the command
RESTARTED = "target restarted or container killed"
REMOVED_BY_HAND = "target restarted or container removed"
LOSSES = (RESTARTED, REMOVED_BY_HAND)

STATES = {
    "created": State.CREATED,
    "running": State.ALIVE,
    "paused": State.ALIVE,
    "restarting": State.ALIVE,
    "removing": State.ALIVE,
    "exited": State.EXITED,
    "dead": State.EXITED,
}


def observe(
    inspected: Mapping[str, Any],
    record: Evidence | None,
    *,
    stopped: bool = False,
    tail: str = "",
) -> Observation:
    """The observation of a job in a dedicated container.

    Args:
        inspected: The engine's inspection.
        record: The shim's exit record.
        stopped: Whether the job was stopped on request.
        tail: The last output of the agent, used without a record.
    """
    engine_state = inspected["State"]
    state = STATES[engine_state["Status"]]
    started = moment(engine_state.get("StartedAt"))
    if state is not State.EXITED:
        return Observation(state, started)
    if record is None:
        return Observation(state, started, _by_engine(engine_state, stopped, tail))
    # The engine reports the kill of any process; the script may have survived it.
    oom = record.oom or (bool(engine_state.get("OOMKilled")) and record.exit_code != 0)
    # A SIGTERM that this service did not send came from the engine or from a person.
    reason = RESTARTED if record.reason == "stopped" and not stopped else record.reason
    evidence = replace(record, oom=oom, reason=reason)
    return Observation(state, record.started_at or started, evidence)


def removed_outside(record: Evidence | None, now: float) -> Observation:
    """The observation of a launched job whose container was removed from outside."""
    lost = Evidence(reason=REMOVED_BY_HAND, ended_at=now)
    return Observation(State.EXITED, None, record or lost)


def removed(entry: ClaimRecord | None, now: float) -> Observation:
    """The observation of a job of which nothing is left: ended and removed, or withdrawn."""
    if entry is None or entry.claim is not ClaimState.REMOVED:
        return Observation(State.REMOVED)
    return Observation(State.REMOVED, None, Evidence(reason=RECORD_REMOVED, ended_at=now))


def ended_with_container(inspected: Mapping[str, Any], now: float) -> Observation:
    """The observation of a job without a record whose pool container has ended or is removed.

    The job was killed with its container, so the container's exit code is not the job's.
    """
    if not inspected:
        return removed_outside(None, now)
    engine_state = inspected["State"]
    ended = moment(engine_state.get("FinishedAt")) or now
    oom = bool(engine_state.get("OOMKilled"))
    reason = "signaled" if oom else RESTARTED
    return Observation(State.EXITED, None, Evidence(None, 9, reason, oom, ended_at=ended))


def moment(text: str | None) -> float | None:
    """Seconds since the epoch; None for the engine's zero time."""
    if not text or text.startswith("0001-"):
        return None
    return datetime.fromisoformat(text).timestamp()


def _by_engine(engine_state: Mapping[str, Any], stopped: bool, tail: str) -> Evidence:
    code = int(engine_state["ExitCode"])
    number = code - SIGNALED if SIGNALED < code < SIGNALED + 65 else None
    return Evidence(
        exit_code=None if number else code,
        signal=number,
        reason=_reason(engine_state, code, stopped, tail),
        oom=bool(engine_state.get("OOMKilled")),
        started_at=moment(engine_state.get("StartedAt")),
        ended_at=moment(engine_state.get("FinishedAt")),
        tail=tail,
    )


def _reason(engine_state: Mapping[str, Any], code: int, stopped: bool, tail: str) -> str:
    if engine_state.get("OOMKilled"):
        return "signaled"
    if stopped:
        return "stopped"
    if code in NOT_STARTED:
        return f"cannot start: {tail.strip() or 'the image has no python3'}"
    if code > SIGNALED:
        return RESTARTED
    return f"supervisor lost: it exited with code {code} and left no record"
