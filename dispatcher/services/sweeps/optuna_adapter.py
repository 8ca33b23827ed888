"""Optuna's samplers over trials that the sweep holds: a study has them preloaded.

Optuna's own storages copy each trial on every read. `PreloadedStorage` returns frozen trials that
are converted once and again only when a trial changes, so a suggestion costs no more than the
sampler's computation.

For Optuna a parameter is the unit interval before its expression, or a category. A study has at
most `MAX_HISTORY` ended trials, so the time of a suggestion does not grow with the sweep.
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
    """A storage that returns preloaded trials."""

    def __init__(self, trials: Sequence[FrozenTrial]) -> None:
        super().__init__()
        self.preloaded = trials

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Any = None
    ) -> list[FrozenTrial]:
        """The preloaded trials; the trial that is asked for is not among them."""
        return [each for each in self.preloaded if states is None or each.state in states]


def preloaded_study(spec: SweepSpec, trials: Sequence[FrozenTrial]) -> tuple[Any, int]:
    """A study of these trials, and the id of a new trial to ask for."""
    directions = [metric.goal for metric in spec.metrics]
    study = optuna.create_study(storage=PreloadedStorage(trials), directions=directions)
    storage = study._storage
    return study, storage.create_new_trial(storage.get_study_id_from_name(study.study_name))


class Coordinates:
    """Converts between cells and Optuna's parameters.

    Args:
        space: The search space.
        names: The parameters that the sampler uses.
    """

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
        """Optuna's parameters of a cell; parameters that the cell lacks are left out."""
        params: dict[str, Any] = {}
        for name in self.distributions:
            if name in values:
                each = self._space.parameters[name]
                unit = each.unit(values[name])
                params[name] = int(unit * len(each.arguments)) if each.is_choice else unit
        return params

    def units(self, params: Mapping[str, Any]) -> dict[str, float]:
        """The point of the unit cube of Optuna's parameters."""
        units: dict[str, float] = {}
        for name, value in params.items():
            each = self._space.parameters[name]
            units[name] = (value + 0.5) / len(each.arguments) if each.is_choice else float(value)
        return units

    def frozen(self, trial: TrialRecord, attrs: Mapping[str, Any] | None = None) -> FrozenTrial:
        """A trial as Optuna's; number 0 is reserved for the trial that is asked for."""
        params = self.params(trial.values)
        frozen = optuna.trial.create_trial(
            state=TrialState.COMPLETE if trial.is_scored else TrialState.RUNNING,
            params=params,
            distributions={name: self.distributions[name] for name in params},
            values=list(trial.scores) if trial.is_scored else None,
            system_attrs=dict(attrs or {}),
        )
        frozen.number = trial.number + 1 if trial.number >= 0 else trial.number
        return frozen


class ModelSampler:
    """The samplers that fit a model for each suggestion: TPE and Gaussian processes."""

    def __init__(self, spec: SweepSpec, warm: Sequence[TrialRecord]) -> None:
        self._spec, self._space = spec, spec.sampling.space
        is_gp = spec.sampling.name == "GP"
        self.patience = 2 if is_gp else PATIENCE  # a suggestion takes some tenths of a second
        names = spec.sampling.guided_parameters if is_gp else self._space.order
        self._coordinates = Coordinates(self._space, names)
        self._groups = _groups(self._space, list(self._coordinates.distributions))
        self._warm = [self._coordinates.frozen(each) for each in warm]
        self._frozen_trials: dict[int, tuple[TrialRecord, FrozenTrial]] = {}
        self._trials: list[FrozenTrial] = []
        self._study, self._trial_id = preloaded_study(spec, ())

    def begin(self, trials: TrialHistory) -> bool:
        """Read the trials; return whether enough have ended."""
        records = [each for each in trials.known() if each.open or each.is_scored]
        self._frozen_trials = {each.number: self._frozen(each) for each in records}
        self._trials = [*self._warm, *(frozen for _, frozen in self._frozen_trials.values())]
        return len(self._warm) + sum(each.is_scored for each in records) >= STARTUP

    def ask(self, seed: int, drawn: dict[str, float]) -> dict[str, float]:
        """A point of the unit cube; parameters under the same condition are sampled together."""
        sampler, units = self._sampler(seed), dict(drawn)
        self._study._storage.preloaded = self._trials
        trial = self._study._storage.get_trial(self._trial_id)
        for names in self._groups:
            if names[0] not in self._space.at(units):
                continue
            distributions = {name: self._coordinates.distributions[name] for name in names}
            params = sampler.sample_relative(self._study, trial, distributions)
            units |= self._coordinates.units(params)
        return units

    def record(self, values: Values) -> None:
        """Add a cell as a running trial for the next suggestions of the batch."""
        self._trials.append(self._coordinates.frozen(TrialRecord(1 << 40, values, open=True)))

    def _sampler(self, seed: int) -> BaseSampler:
        if self._spec.sampling.name == "GP":
            return optuna.samplers.GPSampler(seed=seed, n_startup_trials=0)
        return optuna.samplers.TPESampler(
            seed=seed, n_startup_trials=0, constant_liar=True, multivariate=True
        )

    def _frozen(self, trial: TrialRecord) -> tuple[TrialRecord, FrozenTrial]:
        cached = self._frozen_trials.get(trial.number)
        if cached is not None and (
            cached[0] is trial or (cached[0].scores, cached[0].open) == (trial.scores, trial.open)
        ):
            return cached
        return trial, self._coordinates.frozen(trial)


def _groups(space: Space, names: Sequence[str]) -> list[list[str]]:
    """The parameters grouped by condition, each group after those that it depends on."""
    groups: dict[tuple[Any, ...], list[str]] = {}
    for name in names:
        condition = space.conditions.get(name, {})
        key = tuple(sorted((parent, tuple(sorted(each))) for parent, each in condition.items()))
        groups.setdefault(key, []).append(name)
    return list(groups.values())
