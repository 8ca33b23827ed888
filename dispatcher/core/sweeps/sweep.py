"""A sweep: what is asked for, and what is to be done next. Pure.

A trial is a child run under the key `<hash of its cell>#<replica>`: the replica counts how often
the sampler has come to the same cell, and a retry of a failed trial is `…#<replica>.<retry>`. The
store allows a parent one child of a key, so whoever submits and however often, a trial is there
once. The sweep goes by the *state* of its trials alone: metrics order them, and end some early, but
a sweep never waits for one.
"""

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, model_validator

from dispatcher.core.errors import InvalidSpec
from dispatcher.core.runs.spec import (
    STORED,
    ChildKey,
    ExperimentName,
    Frozen,
    Key,
    Name,
    Properties,
    RunId,
    RunSpec,
    Tags,
    TargetName,
)
from dispatcher.core.sweeps.grid import Grid
from dispatcher.core.sweeps.pruners import Goal, NoTermination, Policy
from dispatcher.core.sweeps.search_space import Space

TYPE = "hyperdrive"
MAX_TOTAL, MAX_CONCURRENT, MAX_PARENTS = 100_000, 1_000, 5
MAX_POPULATION, MAX_METRICS = 1_000, 10
WEEK = 10_080
Method = Literal["RANDOM", "GRID", "BayesianOptimization", "TPE", "QMC", "CMAES", "NSGAII", "GP"]
GUIDED = frozenset({"BayesianOptimization", "TPE", "CMAES", "NSGAII", "GP"})  # by what was logged
BRED = frozenset({"CMAES", "NSGAII"})  # generation by generation
HYPERPARAMETERS = "hyperparameters"  # the property of a trial that holds its cell
GENERATION = "sampler_generation"  # the property that has its generation, and whose that is
_BAYESIAN = ("choice", "uniform", "quniform")


class Sampling(Frozen):
    """How cells are found. `parameter_space` is v1's JSON, with conditions where there are any.

    Of the `properties` there are: `seed` (makes two sweeps the same), `constraints` (what must hold
    in each cell) and `population_size` (of what goes generation by generation).
    """

    name: Method
    parameter_space: dict[str, Any]
    properties: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _fits(self) -> "Sampling":
        try:
            space = self.space
            if self.name == "GRID":
                Grid(space)
        except InvalidSpec as error:
            raise ValueError(str(error)) from error
        for name, each in space.parameters.items():
            if self.name == "BayesianOptimization" and each.kind not in _BAYESIAN:
                raise ValueError(
                    f"parameter_space.{name}: Bayesian sampling takes {', '.join(_BAYESIAN)}, "
                    f"not {each.kind}"
                )
        if self.name == "CMAES" and not self.guided_parameters:
            raise ValueError(
                "parameter_space: CMAES goes by numbers that exist in every cell, and there are "
                "none; TPE goes by choices, too"
            )
        seed, size = self._property("seed"), self._property("population_size")
        if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int | str)):
            raise ValueError(f"properties.seed: a whole number or a text is needed, not {seed!r}")
        if size is not None and (type(size) is not int or not 2 <= size <= MAX_POPULATION):
            raise ValueError(
                f"properties.population_size: a whole number from 2 to {MAX_POPULATION} is "
                f"needed, not {size!r:.50}"
            )
        return self

    @cached_property
    def space(self) -> Space:
        constraints = self._property("constraints")
        return Space.of(self.parameter_space, () if constraints is None else constraints)

    @property
    def guided_parameters(self) -> tuple[str, ...]:
        """Those that a sampler goes by which needs the same ones in every cell."""
        return tuple(
            name
            for name, each in self.space.parameters.items()
            if name not in self.space.conditions and (self.name != "CMAES" or not each.is_choice)
        )

    @property
    def population_size(self) -> int | None:
        size: int | None = self._property("population_size")
        return size

    def _property(self, name: str) -> Any:
        return (self.properties or {}).get(name)


class Metric(Frozen):
    name: Annotated[Key, Field(max_length=1024)]
    goal: Goal


class SweepSpec(Frozen):
    """One sweep as it was asked for. `trial` is what each trial runs; its id counts for nothing.

    With `further_metrics` no trial need be the best: the sweep looks for all that none is better
    than in every metric. With `targets` the trials go to these by turns, instead of to the trial's
    own.
    """

    id: RunId
    experiment: ExperimentName
    parent_id: RunId | None = None
    key: ChildKey | None = None
    key_hash: Name | None = None
    display_name: Name | None = None
    tags: Tags = {}  # noqa: RUF012
    properties: Properties = {}  # noqa: RUF012
    trial: RunSpec
    sampling: Sampling
    policy: Policy = NoTermination()
    primary_metric: Metric
    further_metrics: Annotated[tuple[Metric, ...], Field(max_length=MAX_METRICS - 1)] = ()
    max_total_runs: int = Field(ge=1, le=MAX_TOTAL)
    max_concurrent_runs: int = Field(ge=1, le=MAX_CONCURRENT)
    max_duration_minutes: float = Field(WEEK, gt=0, le=10_000_000, allow_inf_nan=False)
    first: Annotated[tuple[dict[str, Any], ...], Field(max_length=MAX_TOTAL)] = ()
    resume_from: Annotated[tuple[RunId, ...], Field(max_length=MAX_PARENTS)] = ()
    targets: Annotated[tuple[TargetName, ...], Field(max_length=100)] = ()

    @model_validator(mode="after")
    def _fits(self, info: ValidationInfo) -> "SweepSpec":
        if self.trial.interactive:
            raise ValueError("trial: needs a script or a command; it cannot be interactive")
        if len(self.id) > 214 and info.context != STORED:
            raise ValueError("id: 214 characters at most, for the ids of its trials follow from it")
        if self.sampling.name == "BayesianOptimization" and self.policy.name != "Default":
            raise ValueError("policy: Bayesian sampling takes none, as in v1; TPE takes any")
        if len(self.first) > self.max_total_runs:
            raise ValueError(
                f"first: {len(self.first)} cells; max_total_runs is {self.max_total_runs}"
            )
        self._check_metrics()
        space = self.sampling.space
        for number, cell in enumerate(self.first):
            try:
                space.check(cell)
            except InvalidSpec as error:
                raise ValueError(f"first.{number}: {error}") from error
        return self

    def _check_metrics(self) -> None:
        names = [metric.name for metric in self.metrics]
        if len(set(names)) < len(names):
            raise ValueError(f"further_metrics: a metric is named twice: {', '.join(names)[:200]}")
        if not self.further_metrics:
            return
        if self.policy.name != "Default":
            raise ValueError(
                f"policy: {self.policy.name} compares by one metric, and there are {len(names)}; "
                "leave it out"
            )
        if self.sampling.name in ("CMAES", "BayesianOptimization"):
            raise ValueError(
                f"sampling.name: {self.sampling.name} goes by one metric, and there are "
                f"{len(names)}; NSGAII, TPE, GP, QMC, RANDOM and GRID take several"
            )

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """All that it goes by; more than one: for the best of all worlds."""
        return (self.primary_metric, *self.further_metrics)

    @property
    def seed(self) -> str:
        return str((self.sampling.properties or {}).get("seed", self.id))

    def deadline(self, created_at: float) -> float:
        return created_at + self.max_duration_minutes * 60


@dataclass(frozen=True)
class Sweep:
    """What is kept of a sweep beside its run: the spec as it is now, and what its driver is told.

    `retries` says how often a failed trial is tried again.
    """

    run_id: str
    spec: SweepSpec
    paused: bool = False
    retries: int = 0
    over: bool = False


@dataclass(frozen=True)
class Counts:
    """How the trials of a sweep stand. `left` is how many cells there are beyond those made; None:
    more than anybody asks for.
    """

    made: int
    open: int
    to_retry: int = 0
    left: int | None = None


@dataclass(frozen=True)
class Next:
    """What is to be done: how many trials to start anew and how many to retry, whether those that
    are open are to be canceled, whether the sweep is over.
    """

    start: int = 0
    retry: int = 0
    cancel: bool = False
    end: bool = False


def advance(sweep: Sweep, counts: Counts, deadline: float, now: float) -> Next:
    """Say what a sweep needs next, from how it stands and what time it is."""
    spec = sweep.spec
    if now >= deadline:
        return Next(cancel=counts.open > 0, end=counts.open == 0)
    if sweep.paused:
        return Next()
    missing = max(0, spec.max_total_runs - counts.made)
    if counts.left is not None:
        missing = min(missing, counts.left)
    room = max(0, spec.max_concurrent_runs - counts.open)
    retry = min(room, counts.to_retry)
    start = min(room - retry, missing)
    return Next(start, retry, end=not (counts.open or counts.to_retry or missing))


@dataclass(frozen=True)
class Cell:
    """A trial to be: its place in the sweep, its key, its values.

    `generation` is what a sampler that goes generation by generation notes of it, as JSON.
    """

    number: int
    key: str
    values: Mapping[str, Any]
    generation: str | None = None


def key_of(digest: str, replica: int) -> str:
    """The key of a cell's trial, the first of which is replica 0."""
    return f"{digest}#{replica}"


def retry_key(key: str) -> str:
    """The key of the next try of a trial that failed."""
    stem, _, tries = key.partition(".")
    return f"{stem}.{int(tries or 0) + 1}"


def tries_of(key: str) -> int:
    """How many tries came before."""
    return int(key.partition(".")[2] or 0)


def trial_spec(spec: SweepSpec, cell: Cell) -> RunSpec:
    """The run of a trial: its parent's, with the cell's values as arguments after the others."""
    trial, space = spec.trial, spec.sampling.space
    arguments = space.arguments(cell.values)
    target = spec.targets[cell.number % len(spec.targets)] if spec.targets else trial.target
    definition = dict(trial.definition)
    if definition:
        definition["arguments"] = [*trial.arguments, *arguments]
    properties = {**trial.properties, HYPERPARAMETERS: as_text(cell.values)}
    properties.pop(GENERATION, None)
    if cell.generation is not None:
        properties[GENERATION] = cell.generation
    return trial.model_copy(
        update={
            "id": f"{spec.id}_{cell.number}",
            "experiment": spec.experiment,
            "parent_id": spec.id,
            "target": target,
            "key": cell.key,
            "key_hash": cell.key.partition("#")[0],
            "arguments": (*trial.arguments, *arguments),
            "command": _command(trial.command, arguments),
            "properties": properties,
            "definition": definition,
        }
    )


def as_text(values: Mapping[str, Any]) -> str:
    """A cell as tags and properties have it."""
    return json.dumps(dict(values))


def _command(command: str | None, arguments: tuple[str, ...]) -> str | None:
    return None if command is None else f"{command} {shlex.join(arguments)}"
