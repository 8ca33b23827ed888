"""What one hyperparameter may be: v1's expressions, and values drawn from them. Pure.

Every expression is one function from the unit interval: a value is `value(u)` for a `u` from 0 up
to 1, and `unit(value)` leads back. So one sampler, which knows nothing but the unit cube, serves
all of them, and each distribution is stated in one place. A `choice` is an index into its options.
"""

import json
import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

from dispatcher.core.errors import InvalidSpec

MAX_OPTIONS = 100_000
LARGEST_LOG = 700.0  # exp of more is not a number any more
_NORMAL = NormalDist()
_TINY = 2.0**-53
_SIGMAS = 9  # farther out no double of the unit interval leads
_ARGUMENTS = {
    "choice": 1,
    "randint": 1,
    "uniform": 2,
    "loguniform": 2,
    "normal": 2,
    "lognormal": 2,
    "quniform": 3,
    "qloguniform": 3,
    "qnormal": 3,
    "qlognormal": 3,
}


@dataclass(frozen=True)
class Expression:
    """One hyperparameter's distribution. `arguments` are numbers, or for `choice` the options."""

    kind: str
    arguments: tuple[Any, ...]

    @property
    def is_choice(self) -> bool:
        return self.kind == "choice"

    @property
    def size(self) -> int | None:
        """How many values there are; None if they are not to be counted."""
        if self.kind == "choice":
            return len(self.arguments)
        return int(self.arguments[0]) if self.kind == "randint" else None

    def value(self, u: float) -> Any:
        """The value at a place of the unit interval."""
        if self.size is not None:
            index = min(int(u * self.size), self.size - 1)
            return self.arguments[index] if self.is_choice else index
        first, second, *step = self.arguments
        u = min(max(u, _TINY), 1 - _TINY) if "normal" in self.kind else u
        if "uniform" in self.kind:
            number = first + u * (second - first)
        else:
            number = first + second * _NORMAL.inv_cdf(u)
        if "log" in self.kind:
            number = math.exp(number)
        return float(round(number / step[0]) * step[0]) if step else float(number)

    def unit(self, value: Any) -> float:
        """Where in the unit interval a value lies. Raises InvalidSpec: it can be no such value."""
        if self.is_choice:
            wanted = canonical(value)
            for index, option in enumerate(self.arguments):
                if canonical(option) == wanted:
                    return (index + 0.5) / len(self.arguments)
            raise InvalidSpec(f"{value!r} is none of the options of its choice")
        number = _finite("value", value)
        if self.kind == "randint":
            if number != int(number) or not 0 <= number < self.arguments[0]:
                raise InvalidSpec(f"{value!r} is not a whole number below {self.arguments[0]}")
            return (number + 0.5) / float(self.arguments[0])
        return self._place(number)

    def _place(self, number: float) -> float:
        first, second, *step = self.arguments
        slack = step[0] / 2 if step else 1e-9 * max(1.0, abs(number))
        if "log" in self.kind:
            low, high = math.log(max(number - slack, 1e-300)), math.log(max(number + slack, 1e-300))
            number = math.log(max(number, 1e-300))
        else:
            low, high = number - slack, number + slack
        if "uniform" in self.kind:
            if high < first or low > second:
                raise InvalidSpec(f"{number!r} is outside of {self.kind}{self.arguments}")
            return float(min(max((number - first) / ((second - first) or 1), 0.0), 1.0))
        if not second:
            return 0.5
        return min(max(_NORMAL.cdf((number - first) / second), _TINY), 1 - _TINY)

    def text(self, value: Any) -> str:
        """The value as the script is given it: v1 writes a quantised 65.0 as 65."""
        whole = self.kind.startswith("q") and isinstance(value, float) and value.is_integer()
        if whole and abs(value) < 1e16:
            return str(int(value))
        return json.dumps(value) if isinstance(value, list | dict) else str(value)


def canonical(value: Any) -> str:
    """One text for one value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def parameter(name: Any, told: Any) -> Expression:
    """Read `[kind, arguments]`. Raises InvalidSpec, which names the parameter."""
    where = f"parameter_space.{name}"
    if not isinstance(name, str) or not name.strip("-") or len(name) > 256 or "\0" in name:
        raise InvalidSpec(f"{where}: a name of 1 to 256 characters is needed")
    if (
        not isinstance(told, list | tuple)
        or len(told) != 2
        or not isinstance(told[1], list | tuple)
    ):
        raise InvalidSpec(f'{where}: ["expression", [arguments]] is needed, not {told!r:.100}')
    kind, arguments = told
    count = _ARGUMENTS.get(kind) if isinstance(kind, str) else None
    if count is None:
        raise InvalidSpec(f"{where}: {kind!r:.50} is none of {', '.join(_ARGUMENTS)}")
    if len(arguments) != count:
        raise InvalidSpec(f"{where}: {kind} takes {count} arguments, not {len(arguments)}")
    if kind == "choice":
        return Expression(kind, _options(where, arguments[0]))
    numbers = [_finite(f"{where}: {kind}", argument) for argument in arguments]
    if kind == "randint":
        if numbers[0] < 1 or numbers[0] != int(numbers[0]) or numbers[0] > 1 << 53:
            raise InvalidSpec(f"{where}: randint takes a whole number from 1 on, not {numbers[0]}")
        return Expression(kind, (int(numbers[0]),))
    _check_numbers(where, kind, *numbers)
    return Expression(kind, tuple(numbers))


def _options(where: str, options: Any) -> tuple[Any, ...]:
    if not isinstance(options, list | tuple) or not options:
        raise InvalidSpec(f"{where}: choice needs at least one option")
    if len(options) > MAX_OPTIONS:
        raise InvalidSpec(f"{where}: choice has {len(options)} options; at most {MAX_OPTIONS}")
    try:
        json.dumps(options, allow_nan=False)
    except ValueError as error:
        raise InvalidSpec(f"{where}: NaN and infinity are no options") from error
    if any(isinstance(option, str) and "\0" in option for option in options):
        raise InvalidSpec(f"{where}: an option must not contain a NUL character")
    return tuple(options)


def _check_numbers(
    where: str, kind: str, first: float, second: float, step: float | None = None
) -> None:
    if "uniform" in kind and not (first < second or ("log" in kind and first == second)):
        raise InvalidSpec(f"{where}: {kind} needs min_value below max_value: {first}, {second}")
    if "normal" in kind and second < 0:
        raise InvalidSpec(f"{where}: {kind} needs a sigma from 0 on, not {second}")
    if step is not None and step <= 0:
        raise InvalidSpec(f"{where}: {kind} needs a q above 0, not {step}")
    highest = second if "uniform" in kind else first + _SIGMAS * second
    if "log" in kind and highest > LARGEST_LOG:
        raise InvalidSpec(
            f"{where}: {kind}({first}, {second}) leads to exp({highest:g}), which is not a number; "
            "its arguments are logarithms"
        )
    if "uniform" in kind and not math.isfinite(second - first):
        raise InvalidSpec(f"{where}: {kind}: {first} and {second} are too far apart")


def _finite(where: str, value: Any) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or (isinstance(value, int) and abs(value) > 1 << 1000):
        raise InvalidSpec(f"{where}: a number is needed, not {value!r:.50}")
    if not math.isfinite(value):
        raise InvalidSpec(f"{where}: a finite number is needed, not {value}")
    return float(value) if isinstance(value, float) else value
