"""When a sweep ends a trial early: v1's rules, as functions of what the trials have logged. Pure.

An *interval* is one logging of the primary metric; a trial that has logged it `c` times stands at
interval `c`. A policy is applied at each multiple of `evaluation_interval` from `delay_evaluation`
on, to the trials that stand there. It compares a trial's best value up to `c` with what the others
that reached `c` had by then, whether they go on, have ended or were ended.

- **Bandit**: worse than the best of all by more than the slack. `slack_factor` f: below best/(1+f),
  or above best·(1+f) where low is good; `slack_amount` a: by more than a. v1's formula would end
  the leader itself when the best is below 0 (maximise) or the like; there the factor opens to the
  worse side: below best·(1+f), above best/(1+f).
- **MedianStopping**: worse than the median of all running averages over 1…c.
- **TruncationSelection**: among the worst X % of all that reached `c`, rounded down.
- **ASHA**, **Hyperband** (ours): at c = min_resource·etaᵏ, not among the best 1/eta of all that
  reached it. Hyperband spreads the trials over brackets, each with a later first look.

NaN and the infinities are loggings, and worse than every number: a trial that has nothing better is
ended where another has a number. It follows from what was logged alone, so it is asked again
after a crash, and of a trial that stands still while others reach its interval.
"""

import math
from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Goal = Literal["maximize", "minimize"]
WORST = -math.inf


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Timed(_Settings):
    evaluation_interval: int = Field(1, ge=1, le=1 << 40, strict=True)
    delay_evaluation: int = Field(0, ge=0, le=1 << 40, strict=True)


class Slack(Timed):
    slack_factor: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    slack_amount: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None

    @model_validator(mode="after")
    def _one(self) -> "Slack":
        if (self.slack_factor is None) == (self.slack_amount is None):
            raise ValueError("give slack_factor or slack_amount, and one of them")
        return self


class Truncation(Timed):
    truncation_percentage: int = Field(ge=1, le=99, strict=True)


class Halving(_Settings):
    reduction_factor: int = Field(3, ge=2, le=100, strict=True)
    min_resource: int = Field(1, ge=1, le=1 << 30, strict=True)


class Brackets(Halving):
    brackets: int = Field(3, ge=1, le=20, strict=True)


class Bandit(_Settings):
    name: Literal["Bandit"]
    properties: Slack


class MedianStopping(_Settings):
    name: Literal["MedianStopping"]
    properties: Timed = Timed()


class TruncationSelection(_Settings):
    name: Literal["TruncationSelection"]
    properties: Truncation


class Asha(_Settings):
    name: Literal["ASHA"]
    properties: Halving = Halving()


class Hyperband(_Settings):
    name: Literal["Hyperband"]
    properties: Brackets = Brackets()


class NoTermination(_Settings):
    name: Literal["Default"] = "Default"
    properties: dict[str, Any] | None = None


Policy = Annotated[
    Bandit | MedianStopping | TruncationSelection | Asha | Hyperband | NoTermination,
    Field(discriminator="name"),
]


@dataclass(frozen=True)
class Mark:
    """How a trial stood at an interval: best value and average, oriented so that more is better."""

    best: float
    mean: float


@dataclass
class Standings:
    """All marks at one interval, the worst first."""

    bests: list[float] = field(default_factory=list)
    means: list[float] = field(default_factory=list)

    def add(self, mark: Mark) -> None:
        insort(self.bests, mark.best)
        insort(self.means, mark.mean)

    def remove(self, mark: Mark) -> None:
        del self.bests[bisect_left(self.bests, mark.best)]
        del self.means[bisect_left(self.means, mark.mean)]


@dataclass
class History:
    """What a trial has logged so far, as far as a policy asks: it holds no values."""

    count: int = 0
    best: float = WORST
    total: float = 0.0

    def log(self, value: float, goal: Goal) -> Mark:
        """Take one more value; how the trial stands then."""
        oriented = orient(value, goal)
        self.count += 1
        self.best = max(self.best, oriented)
        self.total += oriented
        return Mark(self.best, self.total / self.count)


def orient(value: float, goal: Goal) -> float:
    """More is better; what is not a finite number is worst."""
    if not math.isfinite(value):
        return WORST
    return value if goal == "maximize" else -value


def is_due(policy: Policy, interval: int, number: int = 0) -> bool:
    """Whether the policy is applied at that interval, to the trial of that number."""
    match policy:
        case Asha() | Hyperband():
            eta = policy.properties.reduction_factor
            rung = policy.properties.min_resource
            if isinstance(policy, Hyperband):
                rung *= eta ** (number % policy.properties.brackets)
            while rung < interval:
                rung *= eta
            return rung == interval
        case NoTermination():
            return False
    settings = policy.properties
    return interval >= max(1, settings.delay_evaluation) and (
        interval % settings.evaluation_interval == 0
    )


def should_stop(policy: Policy, mark: Mark, standings: Standings) -> bool:
    """Whether a trial that stands so is ended, given how all stand at that interval (it, too)."""
    bests = standings.bests
    match policy:
        case Bandit():
            return _beyond(policy.properties, mark.best, bests[-1])
        case MedianStopping():
            return mark.best < _median(standings.means)
        case TruncationSelection():
            return _among_worst(
                mark, bests, len(bests) * policy.properties.truncation_percentage // 100
            )
        case Asha() | Hyperband():
            kept = max(1, len(bests) // policy.properties.reduction_factor)
            return _among_worst(mark, bests, len(bests) - kept)
    return False


def stopped(
    policy: Policy, goal: Goal, histories: Mapping[int, Sequence[float]], number: int
) -> bool:
    """The same for whole histories by trial number: is that trial ended where it stands?"""
    interval = len(histories[number])
    if not is_due(policy, interval, number):
        return False
    standings, own = Standings(), Mark(WORST, WORST)
    for other, values in histories.items():
        if len(values) >= interval:
            mark = standing(values[:interval], goal)
            standings.add(mark)
            own = mark if other == number else own
    return should_stop(policy, own, standings)


def standing(values: Iterable[float], goal: Goal) -> Mark:
    """How a trial stands that has logged these values."""
    history, mark = History(), Mark(WORST, WORST)
    for value in values:
        mark = history.log(value, goal)
    return mark


def _beyond(slack: Slack, best: float, leader: float) -> bool:
    if leader == WORST:
        return False
    if slack.slack_amount is not None:
        return best < leader - slack.slack_amount
    factor = 1 + (slack.slack_factor or 0.0)
    # Oriented, the leader of "minimise" is negative: its value is above best·(1+f) if it is below.
    return best < (leader / factor if leader > 0 else leader * factor)


def _among_worst(mark: Mark, bests: Sequence[float], count: int) -> bool:
    """Whether it is strictly worse than the first that is kept: those that are equal stay."""
    return count > 0 and mark.best < bests[count]


def _median(means: Sequence[float]) -> float:
    middle = len(means) // 2
    if len(means) % 2:
        return means[middle]
    low, high = means[middle - 1], means[middle]
    return WORST if low == WORST else (low + high) / 2
