"""Parameters that exist only where others have certain values: drawn, counted and checked."""

import itertools
import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core.errors import InvalidSpec
from dispatcher.core.sweeps.grid import Grid
from dispatcher.core.sweeps.search_space import Space, config_hash

TREE = {
    "momentum": ["uniform", [0, 1], {"optimizer": ["sgd"]}],
    "optimizer": ["choice", [["sgd", "adam", "none"]]],
    "beta": ["quniform", [0, 10, 2], {"optimizer": "adam"}],
    "nesterov": ["choice", [[True, False]], {"optimizer": ["sgd"], "batch": [16]}],
    "batch": ["choice", [[16, 32]]],
}
CHOICES = {
    "a": ["choice", [[1, 2, 3]]],
    "b": ["choice", [["x", "y"]], {"a": [1, 2]}],
    "c": ["choice", [[True, False, None]], {"b": ["x"]}],
    "d": ["choice", [[0, 1]]],
}


def exists(cell: dict[str, Any]) -> set[str]:
    names = {"optimizer", "batch"}
    names |= {"momentum"} if cell["optimizer"] == "sgd" else set()
    names |= {"beta"} if cell["optimizer"] == "adam" else set()
    return names | ({"nesterov"} if (cell["optimizer"], cell["batch"]) == ("sgd", 16) else set())


@given(st.randoms(use_true_random=False))
def test_a_cell_has_exactly_the_parameters_whose_condition_holds(luck: random.Random) -> None:
    space = Space.of(TREE)
    cell = space.at({name: luck.random() for name in TREE})
    assert cell.keys() == exists(cell)
    assert list(cell) == [name for name in TREE if name in cell]
    assert space.has(cell)
    assert config_hash(space.at({**dict.fromkeys(TREE, 0.5), **space.units(cell)})) == (
        config_hash(cell)
    )
    assert len(space.arguments(cell)) == 2 * len(cell)
    missing = {name: cell[name] for name in list(cell)[1:]}
    assert not space.has(missing)
    assert not space.has({**cell, "other": 1})


def test_draws_of_a_branch_match_their_distribution_at_one_in_a_million() -> None:
    space, luck, count = Space.of(TREE), random.Random(3), 30_000
    cells = [space.at({name: luck.random() for name in TREE}) for _ in range(count)]
    branches = Counter(cell["optimizer"] for cell in cells)
    expected = count / 3
    # chi-square with 2 degrees of freedom: above 27.6 once in a million
    assert sum((n - expected) ** 2 / expected for n in branches.values()) < 27.6
    momenta = sorted(cell["momentum"] for cell in cells if "momentum" in cell)
    n = len(momenta)
    distance = max(max((k + 1) / n - v, v - k / n) for k, v in enumerate(momenta))
    assert distance < (13.8 + 0.7) ** 0.5 / (2 * n) ** 0.5  # Kolmogorov-Smirnov, the same odds
    betas = Counter(cell["beta"] for cell in cells if "beta" in cell)
    shares = {0.0: 0.1, 2.0: 0.2, 4.0: 0.2, 6.0: 0.2, 8.0: 0.2, 10.0: 0.1}
    total = sum(betas.values())
    assert set(betas) == set(shares)
    # five degrees of freedom: above 35.9 once in a million
    assert sum((betas[v] - s * total) ** 2 / (s * total) for v, s in shares.items()) < 35.9


def test_a_grid_has_the_combinations_that_exist_and_each_once() -> None:
    grid = Grid(Space.of(CHOICES))
    cells = [grid.cell(number) for number in range(grid.size)]
    wanted = []
    for a, b, c, d in itertools.product((1, 2, 3), "xy", (True, False, None), (0, 1)):
        cell = {"a": a, "b": b, "c": c, "d": d}
        if a == 3:
            del cell["b"]
        if cell.get("b") != "x":
            del cell["c"]
        wanted.append(cell)
    assert {config_hash(cell) for cell in cells} == {config_hash(cell) for cell in wanted}
    assert len({config_hash(cell) for cell in cells}) == grid.size == 2 * (2 * (3 + 1) + 1)
    assert cells[0] == {"a": 1, "b": "x", "c": True, "d": 0}
    assert cells[1] == {"a": 1, "b": "x", "c": True, "d": 1}


def test_a_grid_takes_only_so_many_that_depend_on_each_other() -> None:
    large = {
        "a": ["choice", [[0, 1]]],
        **{f"b{k}": ["choice", [list(range(10))], {"a": [1]}] for k in range(6)},
    }
    with pytest.raises(InvalidSpec, match="more than 10000 combinations"):
        Grid(Space.of(large))
    chain = {"p0": ["choice", [[0, 1]]]} | {
        f"p{k}": ["choice", [[0, 1]], {f"p{k - 1}": [1]}] for k in range(1, 500)
    }
    with pytest.raises(InvalidSpec, match="500 parameters depend on each other"):
        Grid(Space.of(chain))


OPTIMIZER: dict[str, Any] = {"o": ["choice", [["sgd", "adam"]]]}


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ({"m": ["uniform", [0, 1], {}]}, r"m: its condition is an object"),
        ({"m": ["uniform", [0, 1], []]}, r"m: its condition is an object"),
        ({"m": ["uniform", [0, 1], {"o": []}]}, "allows o no value"),
        ({"m": ["uniform", [0, 1], {"p": [1]}]}, "names 'p', which is not a parameter"),
        ({"m": ["uniform", [0, 1], {"o": ["rmsprop"]}]}, "'rmsprop' is none of the options"),
        ({"m": ["uniform", [0, 1], {"m": [0.5]}]}, "goes by m, a uniform"),
        ({"m": ["choice", [[1]], {"m": [1]}]}, "m: .*in a circle"),
        (
            {"m": ["choice", [[1]], {"n": [1]}], "n": ["choice", [[1]], {"m": [1]}]},
            "m: the conditions of m, n wait for each other in a circle",
        ),
        (
            {"m": ["choice", [[1, 2]], {"o": "sgd"}], "n": ["randint", [2], {"m": 1, "o": "adam"}]},
            "n: its condition can never hold: o would need two values",
        ),
        ({"m": ["uniform", [0, 1], {"o": "sgd"}, 4]}, "is needed"),
        ({"m": ["dice", [0, 1], {"o": "sgd"}]}, "m: 'dice' is none of"),
    ],
)
def test_a_condition_that_cannot_be_is_refused_by_its_parameter(told: Any, reason: str) -> None:
    with pytest.raises(InvalidSpec, match=reason) as refused:
        Space.of({**OPTIMIZER, **told})
    assert "parameter_space." in str(refused.value)
