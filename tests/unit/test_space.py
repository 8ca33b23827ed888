"""Draws match their distributions, in stated confidence; what cannot be is refused by name."""

import json
import math
import random
from collections import Counter
from collections.abc import Callable
from statistics import NormalDist
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core.errors import InvalidSpec
from dispatcher.core.sweeps.expressions import Expression, canonical
from dispatcher.core.sweeps.grid import Grid
from dispatcher.core.sweeps.search_space import Space, config_hash

DRAWS = 20_000
# A Kolmogorov-Smirnov distance above this is met by chance in one of a million tests: 2·exp(-2nd²).
FARTHEST = math.sqrt(math.log(2e6) / (2 * DRAWS))
NORMAL = NormalDist()


def drawn(kind: str, *arguments: Any) -> list[Any]:
    expression = Space.of({"x": [kind, list(arguments)]}).parameters["x"]
    source = random.Random(7)
    return [expression.value(source.random()) for _ in range(DRAWS)]


def distance(values: list[float], cdf: Callable[[float], float]) -> float:
    ordered = sorted(values)
    n = len(ordered)
    return max(max((k + 1) / n - cdf(v), cdf(v) - k / n) for k, v in enumerate(ordered))


@pytest.mark.parametrize(
    ("kind", "arguments", "cdf"),
    [
        ("uniform", (-2, 6), lambda v: (v + 2) / 8),
        ("loguniform", (-3, 2), lambda v: (math.log(v) + 3) / 5),
        ("normal", (10, 3), lambda v: NORMAL.cdf((v - 10) / 3)),
        ("lognormal", (1, 0.5), lambda v: NORMAL.cdf((math.log(v) - 1) / 0.5)),
    ],
)
def test_continuous_draws_match_their_distribution_at_one_in_a_million(
    kind: str, arguments: tuple[float, ...], cdf: Callable[[float], float]
) -> None:
    assert distance(drawn(kind, *arguments), cdf) < FARTHEST


@pytest.mark.parametrize(
    ("kind", "arguments", "cdf"),
    [
        ("quniform", (0, 20, 5), lambda v: v / 20),
        ("qloguniform", (0, 3, 2), lambda v: math.log(max(v, 1)) / 3),
        ("qnormal", (0, 4, 3), lambda v: NORMAL.cdf(v / 4)),
        ("qlognormal", (1, 1, 2), lambda v: NORMAL.cdf(math.log(max(v, 1e-300)) - 1)),
    ],
)
def test_quantised_draws_are_the_rounded_ones_of_the_plain_distribution(
    kind: str, arguments: tuple[float, ...], cdf: Callable[[float], float]
) -> None:
    step = arguments[-1]
    counts = Counter(drawn(kind, *arguments))
    assert all(value / step == round(value / step) for value in counts)
    for value, count in counts.items():
        low, high = (min(max(cdf(value + d * step / 2), 0), 1) for d in (-1, 1))
        expected = (high - low) * DRAWS
        # six sigmas of a binomial count: one in a billion
        assert abs(count - expected) <= 6 * math.sqrt(expected) + 6, (value, count, expected)


@pytest.mark.parametrize(("kind", "argument"), [("choice", ["a", "b", "c"]), ("randint", 3)])
def test_discrete_draws_come_equally_often(kind: str, argument: Any) -> None:
    counts = Counter(drawn(kind, argument))
    assert set(counts) == ({"a", "b", "c"} if kind == "choice" else {0, 1, 2})
    assert all(abs(count - DRAWS / 3) < 6 * math.sqrt(DRAWS / 3) for count in counts.values())


def test_a_bell_of_width_nothing_and_a_span_of_length_nothing_are_their_value() -> None:
    assert set(drawn("normal", 2, 0)) == {2.0}
    assert set(drawn("loguniform", 0, 0)) == {1.0}


spaces = st.sampled_from(
    [
        ("uniform", (-2, 6)), ("loguniform", (-9, 2)), ("normal", (1, 3)), ("lognormal", (0, 1)),
        ("quniform", (0, 20, 5)), ("qloguniform", (0, 3, 2)), ("qnormal", (0, 4, 3)),
        ("qlognormal", (1, 1, 2)), ("randint", (7,)), ("choice", ([1, "a", None, 1.0, True],)),
    ]
)  # fmt: skip


@given(spaces, st.floats(0, 1, exclude_max=True))
def test_a_value_leads_back_to_where_it_was_drawn(space: Any, u: float) -> None:
    kind, arguments = space
    expression = Space.of({"x": [kind, list(arguments)]}).parameters["x"]
    value = expression.value(u)
    unit = expression.unit(value)
    back = expression.value(unit)
    if isinstance(value, float) and not kind.startswith("q"):
        # In the tails of a distribution neighbouring floats of the unit interval lie far apart.
        is_neighbour = abs(expression.unit(back) - unit) <= 4 * 2**-53
        assert is_neighbour or math.isclose(back, value, rel_tol=1e-6, abs_tol=1e-9)
    elif not kind.startswith("q"):
        assert canonical(back) == canonical(value)
    else:
        assert abs(back - value) <= arguments[-1]  # a value on the border may lead to its neighbour


def test_a_grid_has_every_combination_once() -> None:
    grid = Grid(Space.of({"a": ["choice", [[1, 2, 2, 1.0]]], "b": ["choice", [["x", "y"]]]}))
    cells = [grid.cell(number) for number in range(grid.size)]
    assert len({config_hash(cell) for cell in cells}) == grid.size == 6
    assert cells[:2] == [{"a": 1, "b": "x"}, {"a": 1, "b": "y"}]


def test_a_grid_of_more_cells_than_memory_has_is_no_trouble() -> None:
    told = {f"p{k}": ["choice", [list(range(1000))]] for k in range(20)}
    grid = Grid(Space.of(told))
    assert grid.size == 1000**20
    assert grid.cell(grid.size - 1) == dict.fromkeys(told, 999)


def test_a_grid_refuses_what_is_no_choice() -> None:
    with pytest.raises(InvalidSpec, match=r"parameter_space\.lr: grid sampling takes choice alone"):
        Grid(Space.of({"lr": ["uniform", [0, 1]]}))


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ({}, "parameter at least"),
        ([], "parameter at least"),
        ({"a": ["dice", [1]]}, "a: 'dice' is none of"),
        ({"a": ["uniform", [1]]}, "a: uniform takes 2 arguments, not 1"),
        ({"a": ["uniform", [1, 1]]}, "min_value below max_value"),
        ({"a": ["uniform", [math.nan, 1]]}, "finite"),
        ({"a": ["uniform", ["0", 1]]}, "a number is needed"),
        ({"a": ["uniform", [-1.7e308, 1.7e308]]}, "too far apart"),
        ({"a": ["loguniform", [0, 1000]]}, "logarithms"),
        ({"a": ["lognormal", [0, 100]]}, "logarithms"),
        ({"a": ["normal", [0, -1]]}, "sigma"),
        ({"a": ["quniform", [0, 1, 0]]}, "q above 0"),
        ({"a": ["choice", [[]]]}, "at least one option"),
        ({"a": ["choice", [[math.nan]]]}, "no options"),
        ({"a": ["randint", [0]]}, "from 1 on"),
        ({"a": ["randint", [True]]}, "a number is needed"),
        ({"": ["randint", [2]]}, "name"),
        ({"a": 3}, "is needed"),
    ],
)
def test_what_cannot_be_is_refused_by_name(told: Any, reason: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        Space.of(told)
    assert reason in str(caught.value)
    assert "parameter_space" in str(caught.value)


def test_arguments_are_v1s() -> None:
    space = Space.of(
        {
            "lr": ["uniform", [0, 1]], "--n": ["quniform", [0, 99, 1]],
            "flag": ["choice", [[True]]], "list": ["choice", [[[1, 2]]]],
        }
    )  # fmt: skip
    cell = {"lr": 0.5, "--n": 65.0, "flag": True, "list": [1, 2]}
    assert space.arguments(cell) == (
        *("--lr", "0.5", "--n", "65", "--flag", "True", "--list", "[1, 2]"),
    )
    assert json.loads(json.dumps(cell))["--n"] == 65.0


def test_expressions_of_the_sdk_are_read() -> None:
    from dispatcher.client.v1.sweeps import expressions as sdk

    told = {
        "a": sdk.choice(range(3)), "b": sdk.randint(4), "c": sdk.uniform(0, 1),
        "d": sdk.quniform(0, 10, 2), "e": sdk.loguniform(-1, 1), "f": sdk.qloguniform(0, 2, 1),
        "g": sdk.normal(0, 1), "h": sdk.qnormal(0, 1, 1), "i": sdk.lognormal(0, 1),
        "j": sdk.qlognormal(0, 1, 1),
    }  # fmt: skip
    space = Space.of(json.loads(json.dumps(told)))
    kinds = [each.kind for each in space.parameters.values()]
    assert kinds == [
        *("choice", "randint", "uniform", "quniform", "loguniform", "qloguniform"),
        *("normal", "qnormal", "lognormal", "qlognormal"),
    ]
    assert isinstance(space.parameters["a"], Expression)
