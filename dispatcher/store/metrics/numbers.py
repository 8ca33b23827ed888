"""Which points are numbers, and which number of a metric is its newest. Pure; both stores use it.

A metric of Azure ML may be anything; what MLflow shows, searches and sorts are numbers.
"""

import math
from collections.abc import Iterable, Sequence

from dispatcher.store.metrics.contract import Latest, Number, Point

Key = tuple[str, str]  # run, metric
LOWEST = -1.7976931348623157e308


def number(point: Point) -> float | None:
    """The number that a point is, if it is one."""
    value = point.value
    if point.kind != "scalar" or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def rank(latest: Latest) -> tuple[int, float, float]:
    """The newest is the highest: by step, then time, then value; NaN is the lowest value."""
    value = latest.value if latest.value == latest.value else LOWEST
    return latest.step, latest.t or 0.0, value


def newest_of(numbers: Sequence[Number]) -> dict[str, Latest]:
    """The same as `newest`, of one run and attempt."""
    found: dict[str, tuple[int, float, float]] = {}
    nan = set()
    for name, value, t, step in numbers:
        if value != value:
            nan.add(name)
            value = LOWEST
        mine = (step, t, value)
        if name not in found or mine >= found[name]:
            found[name] = mine
    return {
        name: Latest(math.nan if value == LOWEST and name in nan else value, t, step)
        for name, (step, t, value) in found.items()
    }


def newest(points: Iterable[Point]) -> dict[Key, tuple[int, Latest]]:
    """For each metric among these points its newest number, with the attempt that it is of."""
    found: dict[Key, tuple[int, Latest]] = {}
    for point in points:
        value = number(point)
        if value is None:
            continue
        key = (point.run_id, point.name)
        mine = (point.attempt, Latest(value, point.t or 0.0, point.step or 0))
        known = found.get(key)
        if known is None or (mine[0], rank(mine[1])) >= (known[0], rank(known[1])):
            found[key] = mine
    return found
