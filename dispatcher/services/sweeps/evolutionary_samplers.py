"""Optuna's evolutionary samplers: CMA-ES and NSGA-II.

A trial has its generation and the generation's parents as a property,
`{"generation": 3, "parents": [12, 14, …]}`. Parents are numbers of trials: for CMA-ES the trials
that the optimizer is updated with, for NSGA-II the trials that are crossed. The trials alone are
therefore enough to continue after a crash. A generation that has begun keeps its parents, even if
further trials end later.

The samplers call `sample_relative` of Optuna's samplers on a study of the present generation's
parents. Their number does not grow with the sweep.
"""

# ruff: noqa: ARG002  (the signatures are Optuna's)

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from dispatcher.core.sweeps.search_space import Values
from dispatcher.core.sweeps.sweep import SweepSpec
from dispatcher.services.sweeps.optuna_adapter import PATIENCE, Coordinates, preloaded_study
from dispatcher.services.sweeps.trial_history import TrialHistory, TrialRecord

POPULATION = 50  # Optuna's default for NSGA-II
MIN_WARM = 10  # trials of other sweeps that CMA-ES needs to start from them
_GENERATION = "cma:generation"  # the attribute in which CmaEsSampler stores it


def sampler(spec: SweepSpec, warm: Sequence[TrialRecord]) -> "GenerationSampler":
    """The evolutionary sampler of a sweep."""
    return CmaSampler(spec, warm) if spec.sampling.name == "CMAES" else NsgaSampler(spec, warm)


class GenerationSampler(ABC):
    """A sampler that works in generations."""

    patience = PATIENCE

    def __init__(self, spec: SweepSpec, warm: Sequence[TrialRecord], default_size: int) -> None:
        self._spec, self._size = spec, spec.sampling.population_size or default_size
        self._coordinates = Coordinates(spec.sampling.space, spec.sampling.guided_parameters)
        self._warm = {each.number: each for each in warm}
        self._generation = 0
        self._parents: list[int] = []  # of the present generation, while no trial has them

    def begin(self, trials: TrialHistory) -> bool:
        """Advance to the latest generation that has begun or can begin."""
        while True:
            following = trials.generation(self._generation + 1)
            scored = [each for each in trials.generation(self._generation) if each.is_scored]
            if following:
                parents = next((each.parents for each in following if each.parents), ())
                self._advance(self._records(trials, parents))
                self._parents = []
            elif len(scored) >= self._size:
                chosen = self._select_parents(scored)
                self._advance(chosen)
                self._parents = [each.number for each in chosen]
            else:
                if trials.generation(self._generation):
                    self._parents = []
                return True
            self._generation += 1

    def record(self, values: Values) -> str:
        """The generation property of a trial; with the parents while no other trial has them."""
        fields: dict[str, Any] = {"generation": self._generation}
        return json.dumps({**fields, "parents": self._parents} if self._parents else fields)

    @abstractmethod
    def ask(self, seed: int, drawn: dict[str, float]) -> dict[str, float]:
        """A point of the unit cube."""

    @abstractmethod
    def _select_parents(self, scored: Sequence[TrialRecord]) -> list[TrialRecord]:
        """The parents of the next generation, from the scored trials of the present one."""

    @abstractmethod
    def _advance(self, parents: Sequence[TrialRecord]) -> None:
        """Begin the next generation from these parents."""

    def _records(self, trials: TrialHistory, numbers: Sequence[int]) -> list[TrialRecord]:
        records = (self._warm.get(number) or trials.by_number(number) for number in numbers)
        return [each for each in records if each is not None and each.is_scored]


class CmaSampler(GenerationSampler):
    """CMA-ES over the numbers that exist in every cell; other parameters are drawn at random.

    Optuna pickles the optimizer into a trial's attributes; here it is in memory only. It follows
    from the parents of all generations and is computed again after a restart.
    """

    def __init__(self, spec: SweepSpec, warm: Sequence[TrialRecord]) -> None:
        count = len(spec.sampling.guided_parameters)
        super().__init__(spec, warm, 4 + math.floor(3 * math.log(count)))
        self._source = [self._coordinates.frozen(each) for each in warm]
        self._optimizer: list[FrozenTrial] = []  # the trial with the optimizer; empty at first

    def ask(self, seed: int, drawn: dict[str, float]) -> dict[str, float]:
        """A point from the present generation's normal distribution, inside the unit cube."""
        params, _ = self._sample(seed, self._optimizer)
        return drawn | self._coordinates.units(params)

    def _select_parents(self, scored: Sequence[TrialRecord]) -> list[TrialRecord]:
        return list(scored[: self._size])

    def _advance(self, parents: Sequence[TrialRecord]) -> None:
        attrs = {_GENERATION: self._generation}
        solutions = [self._coordinates.frozen(each, attrs) for each in parents]
        _, updated = self._sample(0, [*self._optimizer, *solutions])
        optimizer = {name: value for name, value in updated.items() if name != _GENERATION}
        self._optimizer = [
            optuna.trial.create_trial(state=TrialState.COMPLETE, value=0.0, system_attrs=optimizer)
        ]

    def _sample(
        self, seed: int, trials: Sequence[FrozenTrial]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        sampler = optuna.samplers.CmaEsSampler(
            seed=seed,
            n_startup_trials=0,
            popsize=self._size,
            source_trials=self._source if len(self._source) >= MIN_WARM else None,
        )
        study, trial_id = preloaded_study(self._spec, trials)
        trial = study._storage.get_trial(trial_id)
        params = sampler.sample_relative(study, trial, self._coordinates.distributions)
        return params, dict(study._storage.get_trial(trial_id).system_attrs)


class NsgaSampler(GenerationSampler):
    """NSGA-II over the parameters that exist in every cell."""

    def __init__(self, spec: SweepSpec, warm: Sequence[TrialRecord]) -> None:
        super().__init__(spec, warm, POPULATION)
        self._elite: list[TrialRecord] = []
        self._crossed: list[FrozenTrial] = []
        if len(warm) > 1:
            self._advance(self._select_parents(warm))

    def ask(self, seed: int, drawn: dict[str, float]) -> dict[str, float]:
        """A child of two parents; `drawn` while there are none, and where it mutates."""
        if not self._elite:
            return drawn
        sampler = _SeededNsga(self._size, seed, self._crossed)
        study, trial_id = preloaded_study(self._spec, self._crossed)
        trial = study._storage.get_trial(trial_id)
        params = sampler.sample_relative(study, trial, self._coordinates.distributions)
        return drawn | self._coordinates.units(params)

    def _select_parents(self, scored: Sequence[TrialRecord]) -> list[TrialRecord]:
        """The best of the present generation and its parents, by dominance and distance."""
        population = {each.number: each for each in [*self._elite, *scored]}
        frozen = {each.number: self._coordinates.frozen(each) for each in population.values()}
        study, _ = preloaded_study(self._spec, list(frozen.values()))
        elite = _SeededNsga(self._size, 0, list(frozen.values())).select_parent(study, 1)
        chosen = {id(each) for each in elite}
        return [population[number] for number, trial in frozen.items() if id(trial) in chosen]

    def _advance(self, parents: Sequence[TrialRecord]) -> None:
        self._elite = list(parents)
        self._crossed = [self._coordinates.frozen(each) for each in parents]


class _SeededNsga(optuna.samplers.NSGAIISampler):
    """Optuna's sampler with a given population instead of one read from the study."""

    def __init__(self, size: int, seed: int, population: list[FrozenTrial]) -> None:
        super().__init__(population_size=size, seed=seed)
        self._population = population

    def get_trial_generation(self, study: Any, trial: FrozenTrial) -> int:
        """1: any generation but the first gets children."""
        return 1

    def get_population(self, study: Any, generation: int) -> list[FrozenTrial]:
        """The trials that parents are selected from."""
        return self._population

    def get_parent_population(self, study: Any, generation: int) -> list[FrozenTrial]:
        """The trials that are crossed; the previous generation is part of the population."""
        return self._population if generation else []
