"""v1's parameter expressions: `choice(1, 2)`, `uniform(0, 1)`, … in v1's JSON form."""

from __future__ import annotations

import json

from dispatcher.client.v1.sweeps.errors import HyperDriveConfigException

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, List

    Expression = List[Any]


def choice(*options: Any) -> Expression:
    """One of the options: `choice(1, 2)`, `choice([1, 2])` or `choice(range(3))`.

    Raises:
        HyperDriveConfigException: There is none, or a list stands beside others.
    """
    options = tuple(_plain(option) for option in options)
    has_list = any(isinstance(option, (list, tuple, range)) for option in options)
    if has_list and len(options) > 1:
        raise HyperDriveConfigException("choice takes options or one list of them, not both.")
    values = list(options[0]) if has_list else list(options)
    if not values:
        raise HyperDriveConfigException("choice needs at least one option.")
    return ["choice", [[_option(each) for each in values]]]


def randint(upper: int) -> Expression:
    """A whole number below `upper`."""
    if _number("randint", "upper", upper) <= 0 or not isinstance(upper, int):
        raise HyperDriveConfigException(f"randint: upper is a whole number over 0, not {upper!r}.")
    return ["randint", [upper]]


def uniform(min_value: float, max_value: float) -> Expression:
    """A number between the two."""
    return ["uniform", _span("uniform", min_value, max_value)]


def quniform(min_value: float, max_value: float, q: int) -> Expression:
    """A number between the two, a multiple of `q`."""
    return ["quniform", [*_span("quniform", min_value, max_value), _step("quniform", q)]]


def loguniform(min_value: float, max_value: float) -> Expression:
    """A number whose logarithm is between the two."""
    return ["loguniform", _span("loguniform", min_value, max_value, or_equal=True)]


def qloguniform(min_value: float, max_value: float, q: int) -> Expression:
    """A number whose logarithm is between the two, a multiple of `q`."""
    span = _span("qloguniform", min_value, max_value, or_equal=True)
    return ["qloguniform", [*span, _step("qloguniform", q)]]


def normal(mu: float, sigma: float) -> Expression:
    """A number around `mu`."""
    return ["normal", _bell("normal", mu, sigma)]


def qnormal(mu: float, sigma: float, q: int) -> Expression:
    """A number around `mu`, a multiple of `q`."""
    return ["qnormal", [*_bell("qnormal", mu, sigma), _step("qnormal", q)]]


def lognormal(mu: float, sigma: float) -> Expression:
    """A number whose logarithm is around `mu`."""
    return ["lognormal", _bell("lognormal", mu, sigma)]


def qlognormal(mu: float, sigma: float, q: int) -> Expression:
    """A number whose logarithm is around `mu`, a multiple of `q`."""
    return ["qlognormal", [*_bell("qlognormal", mu, sigma), _step("qlognormal", q)]]


def only_where(expression: Expression, **parents: Any) -> Expression:
    """Ours: a parameter that exists only where others have certain values.

    `only_where(uniform(0, 1), optimizer="sgd")`, or for several values `optimizer=["sgd", "nag"]`.
    Where it does not exist the script is not given it. A name that is not a Python name is given as
    `**{"batch-size": 32}`.

    Raises:
        HyperDriveConfigException: It is not an expression, has a condition already, or names none.
    """
    if not isinstance(expression, list) or len(expression) != 2:
        raise HyperDriveConfigException(
            f"only_where takes choice(…), uniform(…), … without a condition, not {expression!r}."
        )
    if not parents:
        raise HyperDriveConfigException(
            'only_where: name a parameter and its values, such as optimizer="sgd".'
        )
    condition = {
        name: list(values) if isinstance(values, (list, tuple, range)) else [values]
        for name, values in parents.items()
    }
    return [*expression, condition]


def _option(value: Any) -> Any:
    """An option as JSON has it: numbers of numpy and the like are Python's afterwards."""
    plain = _plain(value)
    try:
        json.dumps(plain, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise HyperDriveConfigException(
            f"choice: {value!r:.200} is not an option: a string, a finite number, a bool, None, or "
            "a list or dict of these is."
        ) from error
    return plain


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else value


def _span(name: str, low: Any, high: Any, *, or_equal: bool = False) -> List[float]:
    _number(name, "min_value", low)
    _number(name, "max_value", high)
    if not (low < high or (or_equal and low == high)):
        raise HyperDriveConfigException(
            f"{name}: min_value has to be below max_value; they are {low!r} and {high!r}."
        )
    return [low, high]


def _bell(name: str, mu: Any, sigma: Any) -> List[float]:
    _number(name, "mu", mu)
    if _number(name, "sigma", sigma) < 0:
        raise HyperDriveConfigException(f"{name}: sigma is 0 at least, not {sigma!r}.")
    return [mu, sigma]


def _step(name: str, q: Any) -> Any:
    if _number(name, "q", q) != int(q) or q <= 0:
        raise HyperDriveConfigException(f"{name}: q is a whole number over 0, not {q!r}.")
    return q


def _number(name: str, argument: str, value: Any) -> Any:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or value != value or value in (float("inf"), float("-inf")):
        raise HyperDriveConfigException(f"{name}: {argument} is a number, not {value!r}.")
    return value
