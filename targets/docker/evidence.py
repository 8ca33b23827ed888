"""From what an engine and a shim say of a container to what is to be seen of its job. Pure.

Two witnesses: the engine knows how the container's first process ended, and of a kill for memory;
the shim's exit record knows how the script ended. The shim is heard first. Where it could write
nothing, its own end tells why.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from dispatcher.core.jobs import Evidence, Observation, State
from dispatcher.core.verdicts import RECORD_REMOVED
from targets.docker.claims import ClaimRecord, ClaimState

SIGNALED = 128
KILLED = 137
NOT_STARTED = (126, 127)  # what init exits with when it cannot run the command
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
    """See a job as its container shows it.

    `record` is the shim's exit record, `stopped` whether the job was being stopped on purpose,
    `tail` the last words of the agent, told where there is no record.
    """
    shown = inspected["State"]
    state = STATES[shown["Status"]]
    started = moment(shown.get("StartedAt"))
    if state is not State.EXITED:
        return Observation(state, started)
    if record is None:
        return Observation(state, started, _by_engine(shown, stopped, tail))
    # The engine reports a kill for memory of any process; one that the script got over is no end.
    oom = record.oom or (bool(shown.get("OOMKilled")) and record.exit_code != 0)
    # A SIGTERM that this service did not send came from the engine, or from somebody's hand.
    reason = RESTARTED if record.reason == "stopped" and not stopped else record.reason
    evidence = replace(record, oom=oom, reason=reason)
    return Observation(state, record.started_at or started, evidence)


def gone(record: Evidence | None, now: float) -> Observation:
    """See a job that was launched, whose container somebody else has removed."""
    lost = Evidence(reason=REMOVED_BY_HAND, ended_at=now)
    return Observation(State.EXITED, None, record or lost)


def removed(entry: ClaimRecord | None, now: float) -> Observation:
    """See a job of which nothing is left: it had ended, unless it was withdrawn."""
    if entry is None or entry.claim is not ClaimState.REMOVED:
        return Observation(State.REMOVED)
    return Observation(State.REMOVED, None, Evidence(reason=RECORD_REMOVED, ended_at=now))


def dead_with(inspected: Mapping[str, Any], now: float) -> Observation:
    """See a job that has left no record in a container that it shared, which has ended, or has
    been removed if nothing is known of it.

    How the container ended is not how the job did: it was killed with it.
    """
    if not inspected:
        return gone(None, now)
    shown = inspected["State"]
    ended = moment(shown.get("FinishedAt")) or now
    oom = bool(shown.get("OOMKilled"))
    reason = "signaled" if oom else RESTARTED
    return Observation(State.EXITED, None, Evidence(None, 9, reason, oom, ended_at=ended))


def moment(text: str | None) -> float | None:
    """Seconds since the epoch; None for the engine's word for never."""
    if not text or text.startswith("0001-"):
        return None
    return datetime.fromisoformat(text).timestamp()


def _by_engine(shown: Mapping[str, Any], stopped: bool, tail: str) -> Evidence:
    code = int(shown["ExitCode"])
    number = code - SIGNALED if SIGNALED < code < SIGNALED + 65 else None
    return Evidence(
        exit_code=None if number else code,
        signal=number,
        reason=_reason(shown, code, stopped, tail),
        oom=bool(shown.get("OOMKilled")),
        started_at=moment(shown.get("StartedAt")),
        ended_at=moment(shown.get("FinishedAt")),
        tail=tail,
    )


def _reason(shown: Mapping[str, Any], code: int, stopped: bool, tail: str) -> str:
    if shown.get("OOMKilled"):
        return "signaled"
    if stopped:
        return "stopped"
    if code in NOT_STARTED:
        return f"cannot start: {tail.strip() or 'the image has no python3'}"
    if code > SIGNALED:
        return RESTARTED
    return f"supervisor lost: it exited with code {code} and left no record"
