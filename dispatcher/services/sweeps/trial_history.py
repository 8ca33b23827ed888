"""What is known of a sweep's trials, as its sampler sees them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from dispatcher.core.sweeps.search_space import Values

SEEN = 200
STARTUP = 10  # so many trials are random before the first one is fitted


@dataclass(frozen=True)
class TrialRecord:
    """A trial as a sampler sees it.

    `scores` has a value for each metric, and is empty while or where one is missing. Of a sampler
    that goes generation by generation it has the generation, and the numbers it follows from.
    """

    number: int
    values: Values
    scores: tuple[float, ...] = ()
    open: bool = False
    generation: int | None = None
    parents: tuple[int, ...] = ()

    @property
    def is_scored(self) -> bool:
        """Whether it has ended and has scores."""
        return not self.open and bool(self.scores)


class TrialHistory(Protocol):
    """What is known of a sweep's trials."""

    def known(self) -> Sequence[TrialRecord]:
        """The best, the latest, and those that go on, by number: `SEEN` and the open at most."""
        ...

    def numbered(self, number: int) -> TrialRecord | None:
        """One of them."""
        ...

    def generation(self, generation: int) -> Sequence[TrialRecord]:
        """All of a generation, by number."""
        ...


class EmptyHistory:
    """What is known before there is a trial."""

    def known(self) -> Sequence[TrialRecord]:
        """None."""
        return ()

    def numbered(self, number: int) -> TrialRecord | None:  # noqa: ARG002
        """None."""
        return None

    def generation(self, generation: int) -> Sequence[TrialRecord]:  # noqa: ARG002
        """None."""
        return ()
