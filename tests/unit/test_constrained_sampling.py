"""What constraints reject is never tried, by whatever sampler."""

import math
from typing import Any

import pytest

from dispatcher.core.errors import InvalidSpec
from dispatcher.services.sweeps.suggester import Suggester, some_cell
from dispatcher.services.sweeps.trial_history import EmptyHistory
from tests.unit.driven import ALL, Drive, hill, sampled

RULES = ["x * x <= 1 + log", "n + q / 5 < 8", "kind != 'c' or steps >= 4"]


@pytest.mark.parametrize("name", ALL)
def test_what_a_constraint_rejects_is_never_tried(name: str) -> None:
    drive = Drive(sampled(name, None, {"constraints": RULES}), hill, at_once=6)
    for _ in range(50):
        drive.step()
    for cell in drive.cells():
        assert cell["x"] ** 2 <= 1 + cell["log"]
        assert cell["n"] + cell["q"] / 5 < 8
        assert cell["kind"] != "c" or cell["steps"] >= 4
    assert drive.afresh().cells(4, 0) == drive.state.cells(4, 0)


def test_draws_under_a_constraint_are_the_others_without_those_it_rejects() -> None:
    space = {"x": ["uniform", [0, 1]]}
    suggester = Suggester(sampled("RANDOM", space, {"constraints": ["x < 0.25"]}))
    values = sorted(
        4 * each.values["x"] for each in suggester.suggest(range(5000), (), EmptyHistory())
    )
    n = len(values)
    distance = max(max((k + 1) / n - v, v - k / n) for k, v in enumerate(values))
    assert distance < math.sqrt(math.log(2e6) / (2 * n))  # once in a million


def test_a_grid_leaves_out_what_is_rejected_and_ends() -> None:
    space = {"a": ["choice", [list(range(10))]], "b": ["choice", [list(range(10))]]}
    sweep = sampled("GRID", space, {"constraints": ["a + b == 9 or a * b > 70"]})
    wanted = {(a, b) for a in range(10) for b in range(10) if a + b == 9 or a * b > 70}
    drive = Drive(sweep, lambda _: (1.0,), at_once=3)
    while drive.state.suggester.left(drive.state._replicas) or drive.state.open:
        next_ones = drive.afresh().cells(3 - len(drive.state.open), 0)
        drive.step()
        assert all(f"HD_{cell.number}" in drive.runs for cell in next_ones)
        assert all(drive.state.trials[f"HD_{c.number}"].key == c.key for c in next_ones)
    assert {(cell["a"], cell["b"]) for cell in drive.cells()} == wanted
    assert len(drive.cells()) == len(wanted)


@pytest.mark.parametrize(
    ("name", "space", "rule", "what"),
    [
        ("RANDOM", {"x": ["uniform", [0, 1]]}, "x > 2", "10000 cells drawn at random"),
        ("TPE", {"x": ["uniform", [0, 1]]}, "1 / (x - x) > 0", "10000 cells drawn at random"),
        ("QMC", {"x": ["uniform", [0, 1]]}, "x > 2", "10000 cells drawn at random"),
        ("GRID", {"x": ["choice", [[0, 1]]]}, "x > 2", "2 cells of the grid"),
        (
            "GRID",
            {f"x{k}": ["choice", [list(range(1000))]] for k in range(10)},
            "x0 > 1000",
            "100001 cells of the grid in a row",
        ),
    ],
)
def test_a_space_of_which_nothing_is_left_is_refused(
    name: str, space: Any, rule: str, what: str
) -> None:
    with pytest.raises(InvalidSpec, match="constraints: they reject") as refused:
        some_cell(sampled(name, space, {"constraints": [rule]}))
    assert what in str(refused.value)
