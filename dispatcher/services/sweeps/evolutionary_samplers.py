"""Optuna's samplers that go generation by generation: CMA-ES and NSGA-II.

Optuna keeps in each trial of which generation it is, and what the generation follows from. So do
we: a trial has both as a property, `{"generation": 3, "parents": [12, 14, …]}`. Parents are numbers
of trials: for CMA-ES those that are told to the optimizer to get there, for NSGA-II those whose
values are crossed. So nothing but the trials is needed to go on after a crash, exactly where it
was: a generation that has begun keeps its parents, whoever else has ended since.

What is asked of Optuna is its sampler's `sample_relative`, on a study of the trials that count for
the present generation: so many however long the sweep is.
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

POPULATION = 50  # Optuna's for NSGA-II
WARM = 10  # so many trials of other sweeps CMA-ES needs to begin from them
_GENERATION = "cma:generation"  # where CmaEsSampler keeps it


def sampler(spec: SweepSpec, warm: Sequence[TrialRecord]) -> "GenerationSampler":
    """Who goes generation by generation for a sweep."""
    return CmaSampler(spec, warm) if spec.sampling.name == "CMAES" else NsgaSampler(spec, warm)


class GenerationSampler(ABC):
    """Follows the generations of a sweep."""

    patience = PATIENCE

    def __init__(self, spec: SweepSpec, warm: Sequence[TrialRecord], usual_size: int) -> None:
        self._spec, self._size = spec, spec.sampling.population_size or usual_size
        self._coordinates = Coordinates(spec.sampling.space, spec.sampling.guided_parameters)
        self._warm = {each.number: each for each in warm}
        self._generation = 0
        self._parents: list[int] = []  # to be noted: no trial has them yet

    def begin(self, trials: TrialHistory) -> bool:
        """Go on to the generation that is due."""
        while True:
            following = trials.generation(self._generation + 1)
            told = [each for each in trials.generation(self._generation) if each.is_scored]
            if following:
                noted = next((each.parents for each in following if each.parents), ())
                self._go_on(self._these(trials, noted))
                self._parents = []
            elif len(told) >= self._size:
                parents = self._chosen(told)
                self._go_on(parents)
                self._parents = [each.number for each in parents]
            else:
                if trials.generation(self._generation):
                    self._parents = []
                return True
            self._generation += 1

    def take(self, values: Values) -> str:
        """Of which generation it is, and as long as no trial says so, what that follows from."""
        noted: dict[str, Any] = {"generation": self._generation}
        return json.dumps({**noted, "parents": self._parents} if self._parents else noted)

    @abstractmethod
    def ask(self, seed: int, drawn: dict[str, float]) -> dict[str, float]:
        """A place in the unit cube."""

    @abstractmethod
    def _chosen(self, told: Sequence[TrialRecord]) -> list[TrialRecord]:
        """From whom the next generation follows, given whom of the present one is to be heard."""

    @abstractmethod
    def _go_on(self, parents: Sequence[TrialRecord]) -> None:
        """Begin the next generation from these."""

    def _these(self, trials: TrialHistory, numbers: Sequence[int]) -> list[TrialRecord]:
        found = (self._warm.get(number) or trials.numbered(number) for number in numbers)
        return [each for each in found if each is not None and each.is_scored]


class CmaSampler(GenerationSampler):
    """CMA-ES over the numbers that exist in every cell; what else there is, is drawn at random.

    The optimizer, which Optuna pickles into the trial that has made it anew, is kept here alone. It
    follows from the parents of all generations, so it is worked out again after a start.
    """

    def __init__(self, spec: SweepSpec, warm: Sequence[TrialRecord]) -> None:
        count = len(spec.sampling.guided_parameters)
        super().__init__(spec, warm, 4 + math.floor(3 * math.log(count)))
        self._source = [self._coordinates.frozen(each) for each in warm]
        self._optimizer: list[FrozenTrial] = []  # the trial that carries it; none: it is fresh

    def ask(self, seed: int, drawn: dict[str, float]) -> dict[str, float]:
        """Drawn from the present generation's normal distribution, inside the unit cube."""
        found, _ = self._asked(seed, self._optimizer)
        return drawn | self._coordinates.units(found)

    def _chosen(self, told: Sequence[TrialRecord]) -> list[TrialRecord]:
        return list(told[: self._size])

    def _go_on(self, parents: Sequence[TrialRecord]) -> None:
        attrs = {_GENERATION: self._generation}
        solutions = [self._coordinates.frozen(each, attrs) for each in parents]
        _, made = self._asked(0, [*self._optimizer, *solutions])
        optimizer = {name: value for name, value in made.items() if name != _GENERATION}
        self._optimizer = [
            optuna.trial.create_trial(state=TrialState.COMPLETE, value=0.0, system_attrs=optimizer)
        ]

    def _asked(
        self, seed: int, trials: Sequence[FrozenTrial]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        sampler = optuna.samplers.CmaEsSampler(
            seed=seed,
            n_startup_trials=0,
            popsize=self._size,
            source_trials=self._source if len(self._source) >= WARM else None,
        )
        study, trial_id = preloaded_study(self._spec, trials)
        trial = study._storage.get_trial(trial_id)
        found = sampler.sample_relative(study, trial, self._coordinates.distributions)
        return found, dict(study._storage.get_trial(trial_id).system_attrs)


class NsgaSampler(GenerationSampler):
    """NSGA-II over what exists in every cell: values of the best are crossed and changed."""

    def __init__(self, spec: SweepSpec, warm: Sequence[TrialRecord]) -> None:
        super().__init__(spec, warm, POPULATION)
        self._elite: list[TrialRecord] = []
        self._crossed: list[FrozenTrial] = []
        if len(warm) > 1:
            self._go_on(self._chosen(warm))

    def ask(self, seed: int, drawn: dict[str, float]) -> dict[str, float]:
        """A child of two parents; at random as long as there are none, or where it mutates."""
        if not self._elite:
            return drawn
        sampler = _SeededNsga(self._size, seed, self._crossed)
        study, trial_id = preloaded_study(self._spec, self._crossed)
        trial = study._storage.get_trial(trial_id)
        found = sampler.sample_relative(study, trial, self._coordinates.distributions)
        return drawn | self._coordinates.units(found)

    def _chosen(self, told: Sequence[TrialRecord]) -> list[TrialRecord]:
        """The best of the present generation and of its parents, by dominance and distance."""
        living = {each.number: each for each in [*self._elite, *told]}
        frozen = {each.number: self._coordinates.frozen(each) for each in living.values()}
        study, _ = preloaded_study(self._spec, list(frozen.values()))
        elite = _SeededNsga(self._size, 0, list(frozen.values())).select_parent(study, 1)
        chosen = {id(each) for each in elite}
        return [living[number] for number, made in frozen.items() if id(made) in chosen]

    def _go_on(self, parents: Sequence[TrialRecord]) -> None:
        self._elite = list(parents)
        self._crossed = [self._coordinates.frozen(each) for each in parents]


class _SeededNsga(optuna.samplers.NSGAIISampler):
    """Optuna's, which is told who lives instead of looking for it."""

    def __init__(self, size: int, seed: int, living: list[FrozenTrial]) -> None:
        super().__init__(population_size=size, seed=seed)
        self._living = living

    def get_trial_generation(self, study: Any, trial: FrozenTrial) -> int:
        """Any but the first: what is asked for is a child."""
        return 1

    def get_population(self, study: Any, generation: int) -> list[FrozenTrial]:
        """From whom parents are chosen."""
        return self._living

    def get_parent_population(self, study: Any, generation: int) -> list[FrozenTrial]:
        """Who is crossed; those of the generation before are among the living."""
        return self._living if generation else []
