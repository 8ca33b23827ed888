"""Samplers: what they suggest lies in the space, follows from the trials alone, and gets better."""

import importlib.util
import json
import math
import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.core.errors import InvalidSpec
from dispatcher.core.lifecycle import Status
from dispatcher.core.sweeps import Metric, Sampling, Sweep, SweepSpec
from dispatcher.engine.sweep_book import Book, load
from dispatcher.services.suggesting import (
    SEEN,
    NoTrials,
    Suggester,
    check_installed,
    some_cell,
)
from dispatcher.services.trials import Trial, front
from tests.unit.test_sweeps import PARENT, made, spec

Score = Callable[[Mapping[str, Any]], tuple[float, ...]]
LEARN = ["TPE", "CMAES", "NSGAII"]
ALL = ["RANDOM", "QMC", *LEARN]
SPACE = {
    "x": ["uniform", [-1, 3]],
    "log": ["loguniform", [-5, 0]],
    "q": ["quniform", [0, 20, 5]],
    "ql": ["qloguniform", [0, 4, 2]],
    "bell": ["qnormal", [0, 4, 3]],
    "n": ["randint", [7]],
    "kind": ["choice", [["a", "b", "c"]]],
    "rate": ["uniform", [0, 1], {"kind": ["a", "b"]}],
    "steps": ["quniform", [0, 8, 2], {"kind": ["c"]}],
    "deep": ["choice", [[1, 2]], {"kind": ["b"], "n": [0, 1, 2, 3]}],
}
NONE: dict[str, Any] = {"parents": []}
FURTHER = Metric(name="n", goal="minimize")


def sampled(name: str, space: Any = None, properties: Any = None, **fields: Any) -> SweepSpec:
    sampling = Sampling(name=name, parameter_space=space or SPACE, properties=properties)  # type: ignore[arg-type]
    return spec(sampling=sampling, **{"max_total_runs": 100_000, **fields})


class Drive:
    """A sweep whose trials take turns to end, some of them never."""

    def __init__(self, sweep: SweepSpec, score: Score, at_once: int = 4, seed: int = 1) -> None:
        self.sweep, self.score, self.at_once = sweep, score, at_once
        self.luck = random.Random(seed)
        self.runs: dict[str, Any] = {}
        self.logged: dict[str, tuple[float, ...]] = {}
        self.early: dict[str, tuple[float, ...]] = {}  # so far, of those that run
        self.book = self.afresh()

    def afresh(self) -> Book:
        """What a service that starts knows: the trials alone."""
        book = load(
            Sweep("HD", self.sweep), PARENT, Suggester(self.sweep), list(self.runs.values())
        )
        for run_id, values in (self.early | self.logged).items():
            self._read(book, run_id, values)
        return book

    def step(self) -> None:
        """Fill up, and let one of those that run end."""
        for cell in self.book.cells(self.at_once - len(self.book.open), 0):
            run = made(self.sweep, cell)
            self.runs[run.id] = run
            self.book.put(run)
        early = self.luck.choice(list(self.book.open))
        self.early[early] = self.score(self.book.entries[early].values)
        run_id = self.luck.choice(list(self.book.open))
        self.early.pop(run_id, None)
        fails = self.luck.random() < 0.1
        if not fails:
            self.logged[run_id] = self.score(self.book.entries[run_id].values)
            self._read(self.book, run_id, self.logged[run_id])
        status = Status.FAILED if fails else Status.COMPLETED
        self.runs[run_id] = replace(self.runs[run_id], status=status, version=2)
        self.book.put(self.runs[run_id])

    def cells(self) -> list[Mapping[str, Any]]:
        entries = sorted(self.book.entries.values(), key=lambda each: each.number)
        return [entry.values for entry in entries]

    def _read(self, book: Book, run_id: str, values: tuple[float, ...]) -> None:
        for metric, value in zip(self.sweep.metrics, values, strict=True):
            book.read(book.entries[run_id], [(1, value, None, 0)], metric.name)


def hill(cell: Mapping[str, Any]) -> tuple[float, ...]:
    return (-((cell["x"] - 1) ** 2) - (cell["kind"] == "c") - abs(cell["q"] - 10) / 10,)


def valley(cell: Mapping[str, Any]) -> tuple[float, ...]:
    return (cell["x"], (cell["x"] - 1) ** 2 + cell["n"])


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
            assert drive.afresh().cells(3, 0) == drive.book.cells(3, 0), turn
    generations = {entry.generation for entry in drive.book.entries.values()}
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


def test_a_sobol_sequence_covers_the_space_better_than_chance_whatever_was_killed() -> None:
    from scipy.stats import qmc

    space = {f"x{k}": ["uniform", [0, 1]] for k in range(4)}
    found = {}
    for name in ("QMC", "RANDOM"):
        suggester = Suggester(sampled(name, space))
        cells = suggester.suggest(range(256), (), NoTrials())
        found[name] = [list(each.values.values()) for each in cells]
        for ordinal in (0, 100, 255, 7):  # another service, another order
            [again] = Suggester(sampled(name, space)).suggest([ordinal], (), NoTrials())
            assert again == cells[ordinal]
            assert suggester.suggest([ordinal], (), NoTrials()) == [cells[ordinal]]
    assert qmc.discrepancy(found["QMC"]) < qmc.discrepancy(found["RANDOM"]) / 5
    other = sampled("QMC", space, {"seed": 1})
    assert Suggester(other).suggest([0], (), NoTrials()) != [
        Suggester(sampled("QMC", space)).suggest([0], (), NoTrials())[0]
    ]


def test_draws_of_a_sobol_sequence_match_every_distribution_more_closely_than_asked() -> None:
    count = 2048
    cells = [
        each.values for each in Suggester(sampled("QMC")).suggest(range(count), (), NoTrials())
    ]
    for name, expression in sampled("QMC").sampling.space.parameters.items():
        values = [cell[name] for cell in cells if name in cell]
        reference = [expression.value((k + 0.5) / 10_000) for k in range(10_000)]
        if expression.is_choice:
            continue
        for q in (0.1, 0.5, 0.9):
            border = sorted(reference)[int(q * 10_000)]
            share = sum(value <= border for value in values) / len(values)
            expected = sum(value <= border for value in reference) / 10_000
            # Five sigmas of independent draws: by chance once in a million.
            assert abs(share - expected) < 5 * math.sqrt(0.25 / len(values)), (name, q)


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
    assert drive.afresh().cells(4, 0) == drive.book.cells(4, 0)


def test_draws_under_a_constraint_are_the_others_without_those_it_rejects() -> None:
    space = {"x": ["uniform", [0, 1]]}
    suggester = Suggester(sampled("RANDOM", space, {"constraints": ["x < 0.25"]}))
    values = sorted(4 * each.values["x"] for each in suggester.suggest(range(5000), (), NoTrials()))
    n = len(values)
    distance = max(max((k + 1) / n - v, v - k / n) for k, v in enumerate(values))
    assert distance < math.sqrt(math.log(2e6) / (2 * n))  # once in a million


def test_a_grid_leaves_out_what_is_rejected_and_ends() -> None:
    space = {"a": ["choice", [list(range(10))]], "b": ["choice", [list(range(10))]]}
    sweep = sampled("GRID", space, {"constraints": ["a + b == 9 or a * b > 70"]})
    wanted = {(a, b) for a in range(10) for b in range(10) if a + b == 9 or a * b > 70}
    drive = Drive(sweep, lambda _: (1.0,), at_once=3)
    while drive.book.suggester.left(drive.book._replicas) or drive.book.open:
        next_ones = drive.afresh().cells(3 - len(drive.book.open), 0)
        drive.step()
        assert all(f"HD_{cell.number}" in drive.runs for cell in next_ones)
        assert all(drive.book.entries[f"HD_{c.number}"].key == c.key for c in next_ones)
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


@pytest.mark.parametrize("name", ["TPE", "CMAES", "NSGAII"])
def test_what_another_sweep_has_found_is_begun_from(name: str) -> None:
    from dispatcher.services.suggesting import Known

    space = {f"x{k}": ["uniform", [0, 1]] for k in range(3)}
    luck = random.Random(5)
    cells = [{key: luck.random() for key in space} for _ in range(60)]
    warm = [
        Known(-1 - k, cell, (-sum(abs(value - 0.9) for value in cell.values()),))
        for k, cell in enumerate(cells)
    ]
    sweep = sampled(name, space, {"population_size": 12})

    def nearness(suggester: Suggester) -> float:
        found = suggester.suggest(range(30), (), NoTrials())
        return sum(sum(each.values.values()) for each in found) / 90

    assert nearness(Suggester(sweep, (), warm)) > nearness(Suggester(sweep)) + 0.1


marks = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=12)


@settings(deadline=None)
@given(marks, st.sampled_from(["maximize", "minimize"]))
def test_the_front_is_whom_nobody_is_better_than(told: list[tuple[int, int]], goal: Any) -> None:
    metrics = [Metric(name="m", goal=goal), FURTHER]
    sweep = sampled("RANDOM", {"x": ["uniform", [0, 1]]})
    cell = Suggester(sweep).suggest([0], (), NoTrials())[0].values
    from dispatcher.core.sweeps import Cell

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

    found = front(trials, metrics)
    assert {trial.number for trial in found} == {k for k, one in enumerate(told) if not beaten(one)}


def test_a_trial_without_all_metrics_or_with_one_that_is_no_number_teaches_nothing() -> None:
    sweep = sampled("NSGAII", None, None, further_metrics=(FURTHER,))
    drive = Drive(sweep, lambda _: (1.0, math.nan))
    for _ in range(8):
        drive.step()
    assert not any(each.told for each in drive.book.known())
    [entry] = list(drive.book.open.values())[:1]
    drive.book.read(entry, [(1, 2.0, None, 0)], "m")
    assert entry.scores == ()
    drive.book.read(entry, [(1, math.inf, None, 0), (2, 3.0, None, 0)], "n")
    assert entry.scores == (2.0, 3.0)


def test_gaussian_processes_need_torch_and_say_how_it_is_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(InvalidSpec, match=r"sampling\.name: GP needs torch.*pip install 'compute"):
        check_installed(sampled("GP"))
    check_installed(sampled("TPE"))


@pytest.mark.parametrize("name", LEARN)
def test_what_is_looked_at_does_not_grow_with_the_sweep(name: str) -> None:
    from dispatcher.core.sweeps import Cell

    space = {"x": ["uniform", [0, 1]], "y": ["uniform", [0, 1]]}
    sweep = sampled(name, space, {"population_size": 10})
    book = Book(Sweep("HD", sweep), PARENT, Suggester(sweep))
    for number in range(3_000):
        cell = Cell(number, f"k{number}#0", {"x": number / 3_000, "y": 0.5})
        if name != "TPE":
            noted = {"generation": number // 10, "parents": list(range(number - 10, number))}
            cell = replace(cell, generation=json.dumps(noted if number >= 10 else noted | NONE))
        run = made(sweep, cell)
        book.put(replace(run, status=Status.COMPLETED, version=2))
        book.read(book.entries[run.id], [(1, float(number % 97), None, 0)])
    known = book.known()
    assert len(known) == SEEN
    assert sum(each.scores == (96.0,) for each in known) >= 3_000 // 97
    assert {each.number for each in known} >= set(range(2_900, 3_000))
    assert len(book.generation(7)) == (0 if name == "TPE" else 10)
    looked: list[int] = []
    book.cells(1, 0)
    plain = book.generation
    book.generation = lambda generation: looked.append(generation) or plain(generation)  # type: ignore[func-returns-value, method-assign]
    book.cells(1, 0)
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
    assert drive.afresh().cells(1, 0) == drive.book.cells(1, 0)
    late = drive.cells()[-8:]
    assert sum(abs(cell["x"] - 2) < 1.5 for cell in late) >= 4
    assert all(-5 <= cell["x"] <= 5 for cell in late)
