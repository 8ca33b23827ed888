"""What reaches the engine from outside: observations, returned calls, commits."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from dispatcher.core.runs.jobs import Observation
from dispatcher.core.runs.lifecycle import Run
from targets.base import TargetError


class Verb(StrEnum):
    """What is asked of a target for named jobs."""

    LAUNCH = "launch"
    STOP = "stop"
    REMOVE = "remove"


@dataclass(frozen=True)
class Observed:
    """Observations of jobs, pushed or polled. Empty: something has changed and is worth a poll."""

    target: str
    jobs: Mapping[str, Observation]


@dataclass(frozen=True)
class Unreachable:
    """The target did not answer a poll for these jobs."""

    target: str
    names: Collection[str]


@dataclass(frozen=True)
class CallReturned:
    """A call on jobs has returned; what went wrong, by job."""

    target: str
    verb: Verb
    names: Collection[str]
    failures: Mapping[str, TargetError] = field(default_factory=dict)


@dataclass(frozen=True)
class CapacityChanged:
    """The target's capacity is known, or known anew."""

    target: str


@dataclass(frozen=True)
class RunsCommitted:
    """Runs that somebody else's commit has changed, as they are after it."""

    runs: Sequence[Run]


Message = Observed | Unreachable | CallReturned | CapacityChanged | RunsCommitted
