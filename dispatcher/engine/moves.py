"""What a decision consists of, and what became of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dispatcher.core.runs.lifecycle import Event, Run


@dataclass(frozen=True)
class Move:
    """A run as it is stored, as it shall be, and the events between."""

    before: Run
    after: Run
    events: tuple[Event, ...]

    @property
    def frees(self) -> bool:
        """Whether resources or a place in the queue may change by it."""
        before, after = self.before, self.after
        return before.holds != after.holds or before.status is not after.status


@dataclass(frozen=True)
class Decision:
    """What is to be recorded.

    Attributes:
        moves: In the order in which they were decided.
        faults: Runs for which no decision could be made, and why.
        spans: By target, seconds of work that its nodes have ahead once this is recorded.
    """

    moves: Sequence[Move]
    faults: Mapping[str, str] = field(default_factory=dict)
    spans: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Recorded:
    """What became of a decision, run by run.

    Attributes:
        accepted: Moves that are committed.
        stale: Moves of runs that had moved meanwhile.
        refused: Moves that cannot be stored, by run id, and why.
    """

    accepted: Sequence[Move]
    stale: Sequence[Move] = ()
    refused: Mapping[str, str] = field(default_factory=dict)
