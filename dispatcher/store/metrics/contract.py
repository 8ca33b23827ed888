"""Metric values and the offsets of spool streams."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class Point:
    """One logged metric value, as the script logged it."""

    run_id: str
    attempt: int
    name: str
    kind: str
    value: Any
    t: float | None = None
    step: int | None = None
    description: str = ""


@dataclass(frozen=True)
class Latest:
    """The newest number of a metric: of the highest step, and there of the latest time."""

    value: float
    t: float | None
    step: int


# One number of a metric as it was logged: its place in that order, its value, seconds, step. A
# bare tuple, because a history holds a hundred thousand.
Sample = tuple[int, float, float | None, int]
Number = tuple[str, float, float, int]  # metric, value, seconds, step


class Metrics(Protocol):
    def offsets(
        self, streams: Collection[tuple[str, int, str]], *, lock: bool = False
    ) -> dict[tuple[str, int, str], int]:
        """Up to which offset each (run, attempt, stream) is held; 0 if nothing is.

        `lock` keeps others from changing them until the commit; a read never locks.
        """

    def advance(self, offsets: Mapping[tuple[str, int, str], int]) -> None: ...
    def add_points(self, points: Sequence[Point]) -> None: ...
    def add_numbers(self, run_id: str, attempt: int, numbers: Sequence[Number]) -> None:
        """The same as points of kind scalar, without making one of each: a batch is a thousand."""

    def points(
        self,
        ids: Collection[str],
        name: str | None = None,
        attempts: Mapping[str, int] | None = None,
    ) -> dict[str, list[Point]]:
        """Points of these runs in logging order."""

    def latest(self, attempts: Mapping[str, int]) -> dict[str, dict[str, Latest]]:
        """The newest number of each metric of these runs, in the attempt named."""

    def history(
        self, run_id: str, name: str, attempt: int, *, after: int = 0, limit: int | None = None
    ) -> list[Sample]:
        """All numbers of a metric in logging order, from after a place on."""

    def streams(self, run_id: str) -> list[tuple[int, str, int]]:
        """(attempt, stream, size) of all that came from a run."""
