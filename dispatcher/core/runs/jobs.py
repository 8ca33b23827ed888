"""Values that pass to and from a target: the job to start, and what is to be seen of it.

A job is one attempt of a run on one host. Its name, `<run id>-<attempt>` (further hosts of a gang:
`.<k>` after it), is its only handle: in Docker, in Ray, on disk. Times are seconds since the epoch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

MAX_WARNINGS, MAX_WARNING = 25, 2000  # of a job; characters of each


class State(StrEnum):
    """What is to be seen of a job."""

    ABSENT = "absent"  # never heard of it: it may be launched
    CREATED = "created"  # taken, not started yet; it may still be withdrawn
    ALIVE = "alive"
    EXITED = "exited"  # it ran (or could not start) and nothing of it is alive
    REMOVED = "removed"  # it was there once, its record is deleted; it will not start again
    UNKNOWN = "unknown"  # its node does not answer: that is not death


@dataclass(frozen=True)
class Evidence:
    """How a job ended, as recorded by who saw it."""

    exit_code: int | None = None
    signal: int | None = None
    reason: str = "exited"
    oom: bool = False
    started_at: float | None = None
    ended_at: float | None = None
    tail: str = ""
    receipt: tuple[Mapping[str, Any], ...] = ()
    failed_rank: int | None = None
    error: Mapping[str, Any] | None = None  # what the script said with `run.fail()`
    warnings: tuple[str, ...] = ()  # of the node: what is not kept, what it starts otherwise

    @property
    def said(self) -> dict[str, Any] | None:
        """What the script said went wrong, in v1's shape; its exit code decides how it ends."""
        return None if self.error is None else {"error": {"code": "UserError", **self.error}}

    @property
    def ok(self) -> bool:
        """Whether it is seen to have ended well: exit code 0, by itself, not out of memory."""
        return self.exit_code == 0 and self.reason == "exited" and not self.oom

    @staticmethod
    def of(record: Mapping[str, Any]) -> "Evidence":
        """Read an exit record as the shim writes it; fields that it does not know are left out."""
        known = {name: record[name] for name in Evidence.__dataclass_fields__ if name in record}
        known["receipt"] = tuple(known.get("receipt") or ())
        if not isinstance(known.get("error"), Mapping):  # a script may have written anything there
            known["error"] = None
        known["warnings"] = tuple(str(text)[:MAX_WARNING] for text in known.get("warnings") or ())
        known["warnings"] = known["warnings"][:MAX_WARNINGS]
        return Evidence(**known)

    def record(self) -> dict[str, Any]:
        """As JSON-ready values. Not `asdict`: it copies deeply, and every run passes here."""
        record = {**vars(self), "receipt": [dict(entry) for entry in self.receipt]}
        if not self.warnings:
            del record["warnings"]
        return record


@dataclass(frozen=True)
class Observation:
    """A job as it is seen now. ALIVE with evidence: part of a gang ended badly, the rest lives.

    `preparing`: it is CREATED, and its environment is being built.
    """

    state: State
    started_at: float | None = None
    evidence: Evidence | None = None
    preparing: bool = False

    @staticmethod
    def of(record: Mapping[str, Any]) -> "Observation":
        evidence = record.get("evidence")
        return Observation(
            State(record["state"]),
            record.get("started_at"),
            Evidence.of(evidence) if evidence else None,
            bool(record.get("preparing")),
        )


ABSENT = Observation(State.ABSENT)


def attempt_of(name: str) -> tuple[str, int] | None:
    """The run and its attempt that a job's name says; None if it is not a job's name."""
    run_id, _, rest = name.rpartition("-")
    number = rest.partition(".")[0]
    return (run_id, int(number)) if run_id and number.isascii() and number.isdigit() else None


def combine(parts: Sequence[Observation]) -> Observation:
    """See the jobs of a gang as one. With one part it is that part.

    A gang has ended when all parts that started have; its evidence is that of the first that ended
    badly, by time. A part that ended badly while others live shows as ALIVE with evidence: the rest
    has to be stopped.
    """
    if len(parts) == 1:
        return parts[0]
    states = {part.state for part in parts}
    ended = sorted(
        (part for part in parts if part.evidence and part.state is not State.REMOVED),
        key=lambda part: (
            (part.evidence.ok, part.evidence.ended_at or 0.0) if part.evidence else (True, 0.0)
        ),
    )
    started = min((part.started_at for part in parts if part.started_at is not None), default=None)
    worst = ended[0].evidence if ended else None
    if State.ALIVE in states:
        return Observation(State.ALIVE, started, None if worst is None or worst.ok else worst)
    if State.UNKNOWN in states:
        return Observation(State.UNKNOWN, started)
    if worst is not None and not worst.ok:
        return Observation(
            State.CREATED if State.CREATED in states else State.EXITED, started, worst
        )
    for state in (State.CREATED, State.ABSENT, State.REMOVED):
        if state in states:
            said = next(
                (one.evidence for one in parts if one.state is state and one.evidence), None
            )
            preparing = any(part.preparing for part in parts)
            return Observation(state, started, said, preparing=preparing)
    return Observation(State.EXITED, started, worst)
