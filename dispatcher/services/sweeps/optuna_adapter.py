"""Optuna's samplers, asked only: a study is laid out from the trials for each suggestion.

Optuna keeps trials in a storage of its own, which copies each that is put there. Ours is a shelf:
trials stand on it ready-made, and one that has not changed is made once, however often it is
looked at. So a suggestion costs what the sampler computes, and nothing else.

To Optuna a parameter is the unit interval that its expression has, or a category. So that the time
for a suggestion stays the same however long the sweep grows, a study sees at most `SEEN` trials.
"""

# ruff: noqa: ARG002  (the signatures are Optuna's)

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.samplers import BaseSampler
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState

from dispatcher.core.sweeps.search_space import Space, Values
from dispatcher.core.sweeps.sweep import SweepSpec
from dispatcher.services.sweeps.trial_history import STARTUP, TrialHistory, TrialRecord

optuna.logging.set_verbosity(optuna.logging.ERROR)
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)


PATIENCE = 20


class PreloadedStorage(InMemoryStorage):
    """A storage with trials that are there already."""

    def __init__(self, trials: Sequence[FrozenTrial]) -> None:
        super().__init__()
        self.ready = trials

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Any = None
    ) -> list[FrozenTrial]:
        """Those on the shelf; the one that is asked for is not among them."""
        return [each for each in self.ready if states is None or each.state in states]


def preloaded_study(spec: SweepSpec, trials: Sequence[FrozenTrial]) -> tuple[Any, int]:
    """A study of these trials, and the id of one more to ask for."""
    directions = [metric.goal for metric in spec.metrics]
    study = optuna.create_study(storage=PreloadedStorage(trials), directions=directions)
    storage = study._storage
    return study, storage.create_new_trial(storage.get_study_id_from_name(study.study_name))


class Coordinates:
    """The parameters of these names, as Optuna has them."""

    def __init__(self, space: Space, names: Sequence[str]) -> None:
        self._space = space
        self.distributions: dict[str, BaseDistribution] = {}
        for name in names:
            each = space.parameters[name]
            if not each.is_choice:
                self.distributions[name] = FloatDistribution(0.0, 1.0)
            elif len(each.arguments) > 1:
                self.distributions[name] = CategoricalDistribution(list(range(len(each.arguments))))

    def params(self, values: Values) -> dict[str, Any]:
        """A cell's coordinates, as far as it has these parameters."""
        found: dict[str, Any] = {}
        for name in self.distributions:
            if name in values:
                each = self._space.parameters[name]
                unit = each.unit(values[name])
                found[name] = int(unit * len(each.arguments)) if each.is_choice else unit
        return found

    def units(self, params: Mapping[str, Any]) -> dict[str, float]:
        """Back into the unit cube."""
        found: dict[str, float] = {}
        for name, value in params.items():
            each = self._space.parameters[name]
            found[name] = (value + 0.5) / len(each.arguments) if each.is_choice else float(value)
        return found

    def frozen(self, trial: TrialRecord, attrs: Mapping[str, Any] | None = None) -> FrozenTrial:
        """A trial as Optuna has it. Number 0 is left for the one that is asked for."""
        params = self.params(trial.values)
        made = optuna.trial.create_trial(
            state=TrialState.COMPLETE if trial.is_scored else TrialState.RUNNING,
            params=params,
            distributions={name: self.distributions[name] for name in params},
            values=list(trial.scores) if trial.is_scored else None,
            system_attrs=dict(attrs or {}),
        )
        made.number = trial.number + 1 if trial.number >= 0 else trial.number
        return made


class ModelSampler:
    """What fits a model to the trials afresh for each suggestion: TPE, and Gaussian processes."""

    def __init__(self, spec: SweepSpec, warm: Sequence[TrialRecord]) -> None:
        self._spec, self._space = spec, spec.sampling.space
        is_gp = spec.sampling.name == "GP"
        self.patience = 2 if is_gp else PATIENCE  # it takes some tenths of a second each time
        names = spec.sampling.guided_parameters if is_gp else self._space.order
        self._coordinates = Coordinates(self._space, names)
        self._groups = _groups(self._space, list(self._coordinates.distributions))
        self._warm = [self._coordinates.frozen(each) for each in warm]
        self._made: dict[int, tuple[TrialRecord, FrozenTrial]] = {}
        self._trials: list[FrozenTrial] = []
        self._study, self._asked = preloaded_study(spec, ())

    def begin(self, trials: TrialHistory) -> bool:
        """Whether enough have ended."""
        seen = [each for each in trials.known() if each.open or each.is_scored]
        self._made = {each.number: self._frozen(each) for each in seen}
        self._trials = [*self._warm, *(made for _, made in self._made.values())]
        return len(self._warm) + sum(each.is_scored for each in seen) >= STARTUP

    def ask(self, seed: int, drawn: dict[str, float]) -> dict[str, float]:
        """Group by group: parameters that exist under the same condition are drawn together."""
        sampler, units = self._sampler(seed), dict(drawn)
        self._study._storage.ready = self._trials
        trial = self._study._storage.get_trial(self._asked)
        for names in self._groups:
            if names[0] not in self._space.at(units):
                continue
            wanted = {name: self._coordinates.distributions[name] for name in names}
            found = sampler.sample_relative(self._study, trial, wanted)
            units |= self._coordinates.units(found)
        return units

    def take(self, values: Values) -> None:
        """The next of the batch sees it as one that runs."""
        self._trials.append(self._coordinates.frozen(TrialRecord(1 << 40, values, open=True)))

    def _sampler(self, seed: int) -> BaseSampler:
        if self._spec.sampling.name == "GP":
            return optuna.samplers.GPSampler(seed=seed, n_startup_trials=0)
        return optuna.samplers.TPESampler(
            seed=seed, n_startup_trials=0, constant_liar=True, multivariate=True
        )

    def _frozen(self, trial: TrialRecord) -> tuple[TrialRecord, FrozenTrial]:
        made = self._made.get(trial.number)
        if made is not None and (
            made[0] is trial or (made[0].scores, made[0].open) == (trial.scores, trial.open)
        ):
            return made
        return trial, self._coordinates.frozen(trial)


def _groups(space: Space, names: Sequence[str]) -> list[list[str]]:
    """The parameters by their conditions, each group after those that it depends on."""
    groups: dict[tuple[Any, ...], list[str]] = {}
    for name in names:
        condition = space.conditions.get(name, {})
        key = tuple(sorted((parent, tuple(sorted(each))) for parent, each in condition.items()))
        groups.setdefault(key, []).append(name)
    return list(groups.values())
