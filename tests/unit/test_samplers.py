"""Samplers: what they suggest lies in the space, follows from the trials alone, and gets better."""

import importlib.util
import json
import math
import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.core.errors import InvalidSpec
from dispatcher.core.runs.lifecycle import Status
from dispatcher.core.sweeps.sweep import Metric, Sweep
from dispatcher.engine.sweep_state import SweepState
from dispatcher.services.sweeps.suggester import Suggester, check_installed
from dispatcher.services.sweeps.trial_history import MAX_HISTORY, EmptyHistory
from dispatcher.services.sweeps.trials import Trial, pareto_front
from tests.unit.driven import ALL, FURTHER, LEARN, NONE, Drive, hill, sampled, valley
from tests.unit.test_sweeps import PARENT, made


@pytest.mark.parametrize("name", LEARN)
@pytest.mark.parametrize("several", [False, True])
def test_a_service_that_starts_anew_suggests_the_same_as_one_that_went_on(
    name: str, several: bool
) -> None:
    if several and name == "CMAES":
        return
    sweep = sampled(
        name, None, {"population_size": 6}, further_metrics=(FURTHER,) if several else ()
    )
    drive = Drive(sweep, valley if several else hill)
    for turn in range(90):
        drive.step()
        if turn % 5 == 0 or turn > 80:
            assert drive.afresh().cells(3, 0) == drive.state.cells(3, 0), turn
    generations = {trial.generation for trial in drive.state.trials.values()}
    assert generations == {None} if name == "TPE" else max(generations) >= 5  # type: ignore[type-var]


@pytest.mark.parametrize("name", ALL)
def test_what_is_suggested_lies_in_the_space_and_on_its_steps(name: str) -> None:
    drive = Drive(sampled(name), hill, at_once=8)
    for _ in range(80):
        drive.step()
    cells = drive.cells()
    assert len(cells) >= 80
    for cell in cells:
        drive.sweep.sampling.space.check(cell)
        assert -1 <= cell["x"] <= 3
        assert math.exp(-5) <= cell["log"] <= 1
        assert cell["q"] in (0, 5, 10, 15, 20)
        assert (cell["ql"] % 2, cell["bell"] % 3) == (0, 0)
        assert cell["n"] in range(7)
        assert ("rate" in cell) == (cell["kind"] in "ab")
        assert ("steps" in cell) == (cell["kind"] == "c")
        assert cell.get("steps", 0) in (0, 2, 4, 6, 8)
        assert ("deep" in cell) == (cell["kind"] == "b" and cell["n"] < 4)
    branches = {cell["kind"] for cell in cells}
    assert branches == {"a", "b", "c"}


@pytest.mark.parametrize("name", LEARN)
@pytest.mark.parametrize("goal", ["maximize", "minimize"])
def test_what_learns_comes_closer(name: str, goal: Any) -> None:
    sign = 1 if goal == "maximize" else -1
    space = {f"x{k}": ["uniform", [-5, 5]] for k in range(4)}
    metric = Metric(name="m", goal=goal)
    sweep = sampled(name, space, {"population_size": 12}, primary_metric=metric)

    def score(cell: Mapping[str, Any]) -> tuple[float, ...]:
        return (-sign * sum((value - 2) ** 2 for value in cell.values()),)

    drive = Drive(sweep, score)
    for _ in range(240):
        drive.step()
    misses = [-sign * score(cell)[0] for cell in drive.cells()]
    assert sorted(misses[-40:])[20] < sorted(misses[:40])[20] / 3


def test_a_branch_that_pays_is_taken_and_its_own_parameter_learnt() -> None:
    space = {
        "kind": ["choice", [["good", "bad"]]],
        "rate": ["uniform", [0, 1], {"kind": "good"}],
        "other": ["uniform", [0, 1], {"kind": "bad"}],
    }

    def score(cell: Mapping[str, Any]) -> tuple[float, ...]:
        return (1 - abs(cell["rate"] - 0.3) if "rate" in cell else 0.0,)

    drive = Drive(sampled("TPE", space), score)
    for _ in range(100):
        drive.step()
    late = drive.cells()[-40:]
    assert sum("rate" in cell for cell in late) >= 30
    rates = sorted(cell["rate"] for cell in late if "rate" in cell)
    assert abs(rates[len(rates) // 2] - 0.3) < 0.12


@pytest.mark.parametrize("name", ["NSGAII", "TPE"])
def test_two_metrics_are_both_served(name: str) -> None:
    space = {"x": ["uniform", [-10, 10]], "y": ["uniform", [-10, 10]]}
    metrics = {
        "primary_metric": Metric(name="m", goal="minimize"),
        "further_metrics": (FURTHER,),
    }
    sweep = sampled(name, space, {"population_size": 12}, **metrics)

    def score(cell: Mapping[str, Any]) -> tuple[float, ...]:
        return (cell["x"] ** 2 + cell["y"] ** 2, (cell["x"] - 2) ** 2 + cell["y"] ** 2)

    drive = Drive(sweep, score)
    for _ in range(240):
        drive.step()
    sums = [sum(score(cell)) for cell in drive.cells()]  # 2 at least, between the two
    assert sum(each < 10 for each in sums[-80:]) >= 3 * (1 + sum(each < 10 for each in sums[:40]))


@pytest.mark.parametrize("name", ["TPE", "CMAES", "NSGAII"])
def test_what_another_sweep_has_found_is_begun_from(name: str) -> None:
    from dispatcher.services.sweeps.trial_history import TrialRecord

    space = {f"x{k}": ["uniform", [0, 1]] for k in range(3)}
    luck = random.Random(5)
    cells = [{key: luck.random() for key in space} for _ in range(60)]
    warm = [
        TrialRecord(-1 - k, cell, (-sum(abs(value - 0.9) for value in cell.values()),))
        for k, cell in enumerate(cells)
    ]
    sweep = sampled(name, space, {"population_size": 12})

    def nearness(suggester: Suggester) -> float:
        found = suggester.suggest(range(30), (), EmptyHistory())
        return sum(sum(each.values.values()) for each in found) / 90

    assert nearness(Suggester(sweep, (), warm)) > nearness(Suggester(sweep)) + 0.1


marks = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=12)


@settings(deadline=None)
@given(marks, st.sampled_from(["maximize", "minimize"]))
def test_the_front_is_whom_nobody_is_better_than(told: list[tuple[int, int]], goal: Any) -> None:
    metrics = [Metric(name="m", goal=goal), FURTHER]
    sweep = sampled("RANDOM", {"x": ["uniform", [0, 1]]})
    cell = Suggester(sweep).suggest([0], (), EmptyHistory())[0].values
    from dispatcher.core.sweeps.sweep import Cell

    trials = [
        Trial(made(sweep, Cell(k, f"k{k}#0", cell)), k, "{}", float(a), 1, (float(a), float(b)))
        for k, (a, b) in enumerate(told)
    ]
    trials.append(Trial(made(sweep, Cell(99, "n#0", cell)), 99, "{}", None, 0))
    sign = 1 if goal == "maximize" else -1

    def beaten(one: tuple[int, int]) -> bool:
        return any(
            other != one and sign * other[0] >= sign * one[0] and other[1] <= one[1]
            for other in told
        )

    found = pareto_front(trials, metrics)
    assert {trial.number for trial in found} == {k for k, one in enumerate(told) if not beaten(one)}


def test_a_trial_without_all_metrics_or_with_one_that_is_no_number_teaches_nothing() -> None:
    sweep = sampled("NSGAII", None, None, further_metrics=(FURTHER,))
    drive = Drive(sweep, lambda _: (1.0, math.nan))
    for _ in range(8):
        drive.step()
    assert not any(each.is_scored for each in drive.state.known())
    [trial] = list(drive.state.open.values())[:1]
    drive.state.read(trial, [(1, 2.0, None, 0)], "m")
    assert trial.scores == ()
    drive.state.read(trial, [(1, math.inf, None, 0), (2, 3.0, None, 0)], "n")
    assert trial.scores == (2.0, 3.0)


def test_gaussian_processes_need_torch_and_say_how_it_is_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(InvalidSpec, match=r"sampling\.name: GP needs torch.*pip install 'compute"):
        check_installed(sampled("GP"))
    check_installed(sampled("TPE"))


@pytest.mark.parametrize("name", LEARN)
def test_what_is_looked_at_does_not_grow_with_the_sweep(name: str) -> None:
    from dispatcher.core.sweeps.sweep import Cell

    space = {"x": ["uniform", [0, 1]], "y": ["uniform", [0, 1]]}
    sweep = sampled(name, space, {"population_size": 10})
    state = SweepState(Sweep("HD", sweep), PARENT, Suggester(sweep))
    for number in range(3_000):
        cell = Cell(number, f"k{number}#0", {"x": number / 3_000, "y": 0.5})
        if name != "TPE":
            noted = {"generation": number // 10, "parents": list(range(number - 10, number))}
            cell = replace(cell, generation=json.dumps(noted if number >= 10 else noted | NONE))
        run = made(sweep, cell)
        state.put(replace(run, status=Status.COMPLETED, version=2))
        state.read(state.trials[run.id], [(1, float(number % 97), None, 0)])
    known = state.known()
    assert len(known) == MAX_HISTORY
    assert sum(each.scores == (96.0,) for each in known) >= 3_000 // 97
    assert {each.number for each in known} >= set(range(2_900, 3_000))
    assert len(state.generation(7)) == (0 if name == "TPE" else 10)
    looked: list[int] = []
    state.cells(1, 0)
    plain = state.generation
    state.generation = lambda generation: looked.append(generation) or plain(generation)  # type: ignore[func-returns-value, method-assign]
    state.cells(1, 0)
    assert len(looked) <= 4


def test_gaussian_processes_come_closer_where_torch_is_and_are_refused_where_it_is_not() -> None:
    sweep = sampled("GP", {"x": ["uniform", [-5, 5]], "kind": ["choice", [["a", "b"]]]})
    if importlib.util.find_spec("torch") is None:
        with pytest.raises(InvalidSpec, match=r"pip install 'compute-target-dispatcher\[gp\]'"):
            check_installed(sweep)
        return
    drive = Drive(sweep, lambda cell: (-abs(cell["x"] - 2) - (cell["kind"] == "b"),), at_once=2)
    for _ in range(25):
        drive.step()
    assert drive.afresh().cells(1, 0) == drive.state.cells(1, 0)
    late = drive.cells()[-8:]
    assert sum(abs(cell["x"] - 2) < 1.5 for cell in late) >= 4
    assert all(-5 <= cell["x"] <= 5 for cell in late)
