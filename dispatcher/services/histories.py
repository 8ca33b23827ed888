"""What is known of a sweep's trials, as its sampler sees them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from dispatcher.core.space import Values

SEEN = 200
STARTUP = 10  # so many trials are random before the first one is fitted


@dataclass(frozen=True)
class Known:
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
    def told(self) -> bool:
        """Whether it is over and has something to tell."""
        return not self.open and bool(self.scores)


class Trials(Protocol):
    """What is known of a sweep's trials."""

    def known(self) -> Sequence[Known]:
        """The best, the latest, and those that go on, by number: `SEEN` and the open at most."""
        ...

    def numbered(self, number: int) -> Known | None:
        """One of them."""
        ...

    def generation(self, generation: int) -> Sequence[Known]:
        """All of a generation, by number."""
        ...


class NoTrials:
    """What is known before there is a trial."""

    def known(self) -> Sequence[Known]:
        """None."""
        return ()

    def numbered(self, number: int) -> Known | None:  # noqa: ARG002
        """None."""
        return None

    def generation(self, generation: int) -> Sequence[Known]:  # noqa: ARG002
        """None."""
        return ()
