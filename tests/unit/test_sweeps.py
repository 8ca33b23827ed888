"""What a sweep does next, and what it tries: over any history, with the service killed anywhere."""

import random
import time
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from dispatcher.core.runs.lifecycle import Run, Status, first
from dispatcher.core.runs.spec import RunSpec
from dispatcher.core.sweeps.pruners import Policy, stopped
from dispatcher.core.sweeps.sweep import (
    Cell,
    Counts,
    Metric,
    Sampling,
    Sweep,
    SweepSpec,
    advance,
    retry_key,
    trial_spec,
    tries_of,
)
from dispatcher.engine.sweep_state import SweepState, load
from dispatcher.services.sweeps.suggester import Suggester
from dispatcher.services.sweeps.trial_history import STARTUP, EmptyHistory, TrialRecord

POLICY: TypeAdapter[Any] = TypeAdapter(Policy)
GRID = {"a": ["choice", [[1, 2, 3]]], "b": ["choice", [["x", "y"]]]}
LINE = {"x": ["uniform", [0, 1]]}


def spec(name: str = "GRID", space: Any = None, **fields: Any) -> SweepSpec:
    told: dict[str, Any] = {
        "id": "HD",
        "experiment": "e",
        "trial": RunSpec(id="HD_0", experiment="e", command="true"),
        "sampling": Sampling(name=name, parameter_space=space or GRID),  # type: ignore[arg-type]
        "primary_metric": Metric(name="m", goal="maximize"),
        "max_total_runs": 10,
        "max_concurrent_runs": 3,
    }
    return SweepSpec(**{**told, **fields})


PARENT = first(
    RunSpec(id="HD", experiment="e", interactive=True, type="hyperdrive"), now=0.0, parent=None
)


def made(sweep: SweepSpec, cell: Cell) -> Run:
    return first(trial_spec(sweep, cell), now=0.0, parent=PARENT)


class World:
    """A store of trials, and a driver that may be killed between any two steps."""

    def __init__(self, sweep: SweepSpec, retries: int = 0) -> None:
        self.sweep = Sweep("HD", sweep, retries=retries)
        self.runs: dict[str, Run] = {}
        self.keys: set[str] = set()
        self.most = 0
        self.start()

    def start(self) -> None:
        """The service starts: everything in memory is made anew."""
        trials = sorted(self.runs.values(), key=lambda run: int(run.id.split("_")[1]))
        self.state = load(self.sweep, PARENT, Suggester(self.sweep.spec), trials)

    def step(self, *, killed: str = "") -> bool:
        """Drive once; whether the sweep is over. Killed before or after the commit."""
        due = advance(self.sweep, self.state.counts(), deadline=1e9, now=0.0)
        cells = self.state.cells(due.start, due.retry)
        if killed == "before":
            self.start()
            return False
        for cell in cells:
            run = made(self.sweep.spec, cell)
            assert cell.key not in self.keys, "a key is given once"
            assert run.id not in self.runs
            self.keys.add(cell.key)
            self.runs[run.id] = run
            if killed != "after":
                self.state.put(run)
        if killed == "after":
            self.start()
        self.most = max(self.most, sum(not run.terminal for run in self.runs.values()))
        return due.end and not cells

    def end(self, luck: random.Random, status: Status) -> None:
        going = [run for run in self.runs.values() if not run.terminal]
        if going:
            run = luck.choice(going)
            self.runs[run.id] = replace(run, status=status, version=run.version + 1)
            self.state.put(self.runs[run.id])


kills = st.lists(st.sampled_from(["", "", "before", "after"]), max_size=60)


@settings(deadline=None)
@given(kills, st.randoms(use_true_random=False), st.integers(1, 12))
def test_a_grid_tries_each_cell_once_wherever_it_is_killed(
    history: list[str], luck: random.Random, total: int
) -> None:
    world = World(spec(max_total_runs=total))
    over = False
    for killed in [*history, *[""] * 40]:
        over = world.step(killed=killed)
        world.end(luck, luck.choice([Status.COMPLETED, Status.FAILED, Status.CANCELED]))
    assert over
    cells = Counter(run.spec.key_hash for run in world.runs.values())
    assert len(cells) == min(total, 6)
    assert set(cells.values()) == {1}
    assert world.most <= 3
    assert sorted(world.runs) == [f"HD_{n}" for n in range(len(cells))]


@settings(deadline=None)
@given(kills, st.randoms(use_true_random=False))
def test_a_random_sweep_tries_the_same_wherever_it_is_killed(
    history: list[str], luck: random.Random
) -> None:
    tried = []
    for story in ([], history):
        world = World(spec("RANDOM", LINE))
        for killed in [*story, *[""] * 40]:
            over = world.step(killed=killed)
            world.end(luck, Status.COMPLETED)
        assert over
        tried.append([world.runs[f"HD_{n}"].spec.arguments for n in range(10)])
    assert tried[0] == tried[1]


@settings(deadline=None)
@given(kills, st.randoms(use_true_random=False), st.integers(0, 3))
def test_a_failed_trial_is_tried_again_as_often_as_asked_and_no_more(
    history: list[str], luck: random.Random, retries: int
) -> None:
    world = World(spec(max_total_runs=6), retries)
    for killed in [*history, *[""] * 80]:
        over = world.step(killed=killed)
        world.end(luck, Status.FAILED)
    assert over
    tries = Counter(run.spec.key_hash for run in world.runs.values())
    assert set(tries.values()) == {retries + 1}
    assert len(tries) == 6
    assert {tries_of(run.spec.key or "") for run in world.runs.values()} == set(range(retries + 1))


@given(
    st.integers(0, 50), st.integers(0, 20), st.integers(0, 20),
    st.none() | st.integers(0, 50), st.booleans(), st.booleans(),
)  # fmt: skip
def test_limits_hold_and_a_sweep_ends_by_its_trials_alone(
    made: int, going: int, failed: int, left: int | None, paused: bool, late: bool
) -> None:
    sweep = Sweep("HD", spec(max_total_runs=20, max_concurrent_runs=7), paused=paused)
    due = advance(sweep, Counts(made, going, failed, left), 100.0, 100.0 if late else 99.0)
    assert going + due.start + due.retry <= max(7, going)
    assert made + due.start <= max(20, made)
    assert left is None or due.start <= left
    assert not (due.end and (going or due.start or due.retry))
    assert not (paused and not late and (due.start or due.retry or due.end))
    assert due.cancel == (late and going > 0)
    if late and not going:
        assert due.end


def test_the_same_cell_by_chance_is_another_replica() -> None:
    world = World(spec("RANDOM", {"a": ["choice", [[1]]]}, max_total_runs=3))
    world.step()
    assert len({run.spec.key_hash for run in world.runs.values()}) == 1
    assert sorted(key.partition("#")[2] for key in world.keys) == ["0", "1", "2"]
    assert retry_key(retry_key("abc#1")) == "abc#1.2"


def rising(state: SweepState, run: Run, values: list[float], start: int = 0) -> None:
    samples = [(start + k + 1, value, None, 0) for k, value in enumerate(values)]
    state.read(state.trials[run.id], samples)


histories = st.lists(st.lists(st.floats(-10, 10), min_size=1, max_size=6), min_size=1, max_size=6)


@settings(deadline=None)
@given(histories, st.sampled_from(["Bandit", "MedianStopping", "TruncationSelection", "ASHA"]))
def test_the_book_ends_whom_the_pure_rule_ends(told: list[list[float]], name: str) -> None:
    properties: dict[str, Any] = {
        "Bandit": {"slack_factor": 0.2},
        "TruncationSelection": {"truncation_percentage": 50},
    }.get(name, {})
    rule = POLICY.validate_python({"name": name, "properties": properties})
    sweep = spec("RANDOM", LINE, policy=rule, max_concurrent_runs=6)
    runs = [made(sweep, Cell(n, f"k{n}#0", {"x": 0.5})) for n in range(len(told))]
    state = load(Sweep("HD", sweep), PARENT, Suggester(sweep), runs)
    for run, values in zip(runs, told, strict=True):
        rising(state, run, values[:1])
        rising(state, run, values[1:], start=1)
    whole = dict(enumerate(told))
    due = {n for n, values in whole.items() if state.trials[f"HD_{n}"].due == len(values)}
    expected = {n for n in due if stopped(rule, "maximize", whole, n)}
    assert {trial.number for trial, _ in state.trials_to_stop() if trial.number in due} == expected


def test_another_attempt_starts_its_history_anew() -> None:
    rule = POLICY.validate_python({"name": "Bandit", "properties": {"slack_amount": 1.0}})
    sweep = spec("RANDOM", LINE, policy=rule)
    runs = [made(sweep, Cell(n, f"k{n}#0", {"x": 0.5})) for n in range(2)]
    state = load(Sweep("HD", sweep), PARENT, Suggester(sweep), runs)
    rising(state, runs[0], [100.0])
    state.put(replace(runs[0], attempt=2, version=5))
    rising(state, runs[0], [1.0])
    rising(state, runs[1], [0.5])
    assert state.trials_to_stop() == []


class Told(EmptyHistory):
    """TrialHistory that a test has told."""

    def __init__(self, known: list[TrialRecord]) -> None:
        self._known = known

    def known(self) -> list[TrialRecord]:
        return self._known


@pytest.mark.parametrize("goal", ["maximize", "minimize"])
def test_what_learns_comes_closer_and_suggests_the_same_when_asked_again(goal: str) -> None:
    sign = 1 if goal == "maximize" else -1
    sweep = spec("TPE", {**LINE, "c": ["choice", [["good", "bad"]]]}, max_total_runs=60,
                 primary_metric=Metric(name="m", goal=goal))  # type: ignore[arg-type]  # fmt: skip

    def score(cell: Any) -> float:
        return sign * (-abs(cell["x"] - 0.7) - (cell["c"] == "bad"))

    known: list[TrialRecord] = []
    for ordinal in range(60):
        [cell] = Suggester(sweep).suggest([ordinal], (), Told(known))
        assert Suggester(sweep).suggest([ordinal], (), Told(known)) == [cell]
        known.append(TrialRecord(ordinal, cell.values, (score(cell.values),)))
    late = [each for each in known[40:] if abs(each.values["x"] - 0.7) < 0.15]
    assert len(late) >= 10
    assert len(known) > STARTUP


@pytest.mark.parametrize("name", ["RANDOM", "TPE"])
def test_a_suggestion_takes_as_long_after_ten_thousand_trials_as_after_a_few_hundred(
    name: str,
) -> None:
    sweep = spec(name, LINE, max_total_runs=100_000, max_concurrent_runs=8)
    state = SweepState(Sweep("HD", sweep), PARENT, Suggester(sweep))
    took: dict[int, float] = {}
    for size in (400, 10_000):
        for n in range(len(state.trials), size):
            run = made(sweep, Cell(n, f"k{n}#0", {"x": n / 100_000}))
            state.put(replace(run, status=Status.COMPLETED, version=2))
            rising(state, run, [n % 97])
        state.cells(1, 0)
        times = []
        for _ in range(5):
            began = time.process_time()
            assert len(state.cells(1, 0)) == 1
            times.append(time.process_time() - began)
        took[size] = min(times)
    assert took[10_000] < 3 * took[400] + 0.002, took
