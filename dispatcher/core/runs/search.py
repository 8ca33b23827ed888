"""What runs, experiments and models are searched by: clauses joined by AND, and an order. Pure.

`holds` is the rule that every store keeps to: nothing but `!=` holds of NaN, and a comparison with
what is not there never holds.
"""

import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

Kind = Literal["attribute", "metric", "param", "tag", "dataset"]
Value = str | int | float | tuple[str, ...] | None

_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


@dataclass(frozen=True)
class Clause:
    """One condition: `op` is =, !=, >, >=, <, <=, LIKE, ILIKE, IN, NOT IN, IS NULL, IS NOT NULL."""

    kind: Kind
    key: str
    op: str
    value: Value = None


@dataclass(frozen=True)
class Order:
    """One thing to sort by; what has no value there comes last, either way."""

    kind: Kind
    key: str
    descending: bool = False


def holds(clause: Clause, found: Any) -> bool:
    """Whether a clause holds of the value that was found (None: there is none)."""
    if clause.op in ("IS NULL", "IS NOT NULL"):
        return (found is None) == (clause.op == "IS NULL")
    if found is None:
        return False
    if clause.op in ("IN", "NOT IN"):
        assert isinstance(clause.value, tuple)
        return (found in clause.value) == (clause.op == "IN")
    if clause.op in ("LIKE", "ILIKE"):
        return like(str(found), str(clause.value), fold=clause.op == "ILIKE")
    return _COMPARE[clause.op](found, clause.value)


def like(text: str, pattern: str, *, fold: bool) -> bool:
    """SQL's LIKE: `%` is any text, `_` any character, and there is no escape."""
    return _pattern(pattern, fold).fullmatch(text) is not None


@lru_cache(maxsize=256)
def _pattern(pattern: str, fold: bool) -> "re.Pattern[str]":
    parts = (".*" if c == "%" else "." if c == "_" else re.escape(c) for c in pattern)
    return re.compile("".join(parts), re.DOTALL | (re.IGNORECASE if fold else 0))


def sort_key(value: Any, descending: bool) -> tuple[bool, Any]:
    """A key by which values sort: what is missing or NaN comes last."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return True, 0
    return False, _Backwards(value) if descending else value


class _Backwards:
    """Sorts the other way round."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def __lt__(self, other: "_Backwards") -> bool:
        return bool(other._value < self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Backwards) and self._value == other._value

    __hash__ = None  # type: ignore[assignment]
