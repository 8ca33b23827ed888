"""The trials of a sweep as its sampler gets them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from dispatcher.core.sweeps.search_space import Values

MAX_HISTORY = 200  # ended trials that a sampler gets
STARTUP = 10  # trials at random before a model is fitted


@dataclass(frozen=True)
class TrialRecord:
    """A trial as a sampler gets it.

    Attributes:
        scores: A value for each metric; empty while one is missing.
        generation: The trial's generation; None unless the sampler is evolutionary.
        parents: The numbers of the trials that the generation descends from.
    """

    number: int
    values: Values
    scores: tuple[float, ...] = ()
    open: bool = False
    generation: int | None = None
    parents: tuple[int, ...] = ()

    @property
    def is_scored(self) -> bool:
        """Whether the trial has ended and has scores."""
        return not self.open and bool(self.scores)


class TrialHistory(Protocol):
    """The trials of a sweep, as its sampler asks for them."""

    def known(self) -> Sequence[TrialRecord]:
        """The best and the latest, at most `MAX_HISTORY`, and all open trials; sorted by number."""
        ...

    def by_number(self, number: int) -> TrialRecord | None:
        """The trial with that number; None if there is none."""
        ...

    def generation(self, generation: int) -> Sequence[TrialRecord]:
        """All trials of a generation, sorted by number."""
        ...


class EmptyHistory:
    """The history of a sweep without trials."""

    def known(self) -> Sequence[TrialRecord]:
        """Nothing."""
        return ()

    def by_number(self, number: int) -> TrialRecord | None:  # noqa: ARG002
        """Nothing."""
        return None

    def generation(self, generation: int) -> Sequence[TrialRecord]:  # noqa: ARG002
        """Nothing."""
        return ()
