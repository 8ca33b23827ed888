"""A sweep whose trials take turns to end, driven through its state."""

import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from dispatcher.core.runs.lifecycle import Status
from dispatcher.core.sweeps.sweep import Metric, Sampling, Sweep, SweepSpec
from dispatcher.engine.sweep_state import SweepState, load
from dispatcher.services.sweeps.suggester import Suggester
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
        self.state = self.afresh()

    def afresh(self) -> SweepState:
        """What a service that starts knows: the trials alone."""
        state = load(
            Sweep("HD", self.sweep), PARENT, Suggester(self.sweep), list(self.runs.values())
        )
        for run_id, values in (self.early | self.logged).items():
            self._read(state, run_id, values)
        return state

    def step(self) -> None:
        """Fill up, and let one of those that run end."""
        for cell in self.state.cells(self.at_once - len(self.state.open), 0):
            run = made(self.sweep, cell)
            self.runs[run.id] = run
            self.state.put(run)
        early = self.luck.choice(list(self.state.open))
        self.early[early] = self.score(self.state.trials[early].values)
        run_id = self.luck.choice(list(self.state.open))
        self.early.pop(run_id, None)
        fails = self.luck.random() < 0.1
        if not fails:
            self.logged[run_id] = self.score(self.state.trials[run_id].values)
            self._read(self.state, run_id, self.logged[run_id])
        status = Status.FAILED if fails else Status.COMPLETED
        self.runs[run_id] = replace(self.runs[run_id], status=status, version=2)
        self.state.put(self.runs[run_id])

    def cells(self) -> list[Mapping[str, Any]]:
        trials = sorted(self.state.trials.values(), key=lambda each: each.number)
        return [trial.values for trial in trials]

    def _read(self, state: SweepState, run_id: str, values: tuple[float, ...]) -> None:
        for metric, value in zip(self.sweep.metrics, values, strict=True):
            state.read(state.trials[run_id], [(1, value, None, 0)], metric.name)


def hill(cell: Mapping[str, Any]) -> tuple[float, ...]:
    return (-((cell["x"] - 1) ** 2) - (cell["kind"] == "c") - abs(cell["q"] - 10) / 10,)


def valley(cell: Mapping[str, Any]) -> tuple[float, ...]:
    return (cell["x"], (cell["x"] - 1) ** 2 + cell["n"])
