"""Which cell a sweep tries next.

Everything follows from the sweep's seed and from its trials, so a service that was killed at any
moment suggests the same again; nothing else is kept. What is random in a trial comes from the seed
and the trial's ordinal alone.

Random and grid need no history and no library: a uniform draw from the unit cube is led through
the space's own expressions (`core.space`), which Optuna's distributions do not have all of. The
samplers that go by results are Optuna's, asked only: a study is made afresh from the trials for
each batch. Optuna is imported when the first such sweep is driven, so that a service without one
neither waits for it nor holds it.

So that the time for a suggestion stays the same however long the sweep grows, a study sees at most
`SEEN` trials: the best of them, and of the others the latest.
"""

import hashlib
import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dispatcher.core.space import Grid, Space, config_hash
from dispatcher.core.sweeps import GUIDED, SweepSpec

SEEN = 200
STARTUP = 10  # so many trials are random before the first one is guided


@dataclass(frozen=True)
class Known:
    """A trial as a sampler sees it. `score` is its best value, None while or where it has none."""

    values: Mapping[str, Any]
    score: float | None = None
    open: bool = False


class Suggester:
    """Suggests the cells of one sweep.

    Args:
        spec: The sweep.
        done: Hashes of cells that other sweeps have done: a grid leaves them out.
        warm: Ended trials of other sweeps, to learn from.
    """

    def __init__(
        self, spec: SweepSpec, done: Collection[str] = (), warm: Sequence[Known] = ()
    ) -> None:
        self._spec = spec
        self._space: Space = spec.sampling.space
        self._grid = Grid(self._space) if spec.sampling.name == "GRID" else None
        self._done = frozenset(done) - {config_hash(cell) for cell in spec.first}
        self._warm = tuple(warm)[-SEEN:]
        self._next = 0  # cells of the grid before this one are taken

    @property
    def is_guided(self) -> bool:
        """Whether suggestions depend on what the trials have logged."""
        return self._spec.sampling.name in GUIDED

    def left(self, taken: Collection[str]) -> int | None:
        """How many cells there are beyond those taken, by hash; None: no end to them."""
        if self._grid is None:
            return None
        return max(0, self._grid.size - len(self._done) - len(taken))

    def suggest(
        self, ordinals: Sequence[int], taken: Collection[str], known: Sequence[Known]
    ) -> list[dict[str, Any]]:
        """Cells for the trials of these ordinals; fewer if the grid is at its end."""
        cells: list[dict[str, Any]] = []
        first = [dict(self._spec.first[n]) for n in ordinals if n < len(self._spec.first)]
        cells += first
        rest = ordinals[len(first) :]
        if self._grid is not None:
            return cells + self._grid_cells(len(rest), taken, {config_hash(c) for c in cells})
        if self.is_guided and rest:
            return cells + self._guided(rest, known)
        return cells + [self._space.at(self._units(ordinal)) for ordinal in rest]

    def _grid_cells(
        self, count: int, taken: Collection[str], fresh: Collection[str]
    ) -> list[dict[str, Any]]:
        assert self._grid is not None
        cells: list[dict[str, Any]] = []
        while self._next < self._grid.size and len(cells) < count:
            cell = self._grid.cell(self._next)
            digest = config_hash(cell)
            if not any(digest in some for some in (taken, fresh, self._done)):
                cells.append(cell)
            self._next += 1
        return cells

    def _units(self, ordinal: int) -> dict[str, float]:
        source = random.Random(f"{self._spec.seed}:{ordinal}")
        return {name: source.random() for name in sorted(self._space.parameters)}

    def _guided(self, ordinals: Sequence[int], known: Sequence[Known]) -> list[dict[str, Any]]:
        import optuna

        ended = [each for each in (*self._warm, *known) if each.score is not None and not each.open]
        if len(ended) < STARTUP:
            return [self._space.at(self._units(ordinal)) for ordinal in ordinals]
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        distributions = _distributions(self._space)
        goal = self._spec.primary_metric.goal
        study = optuna.create_study(direction=goal)
        for each in ended:
            study.add_trial(
                optuna.trial.create_trial(
                    params=_coordinates(self._space, each.values),
                    distributions=distributions,
                    value=each.score,
                )
            )
        for each in known:
            if each.open:
                study.add_trial(_running(self._space, distributions, each))
        cells = []
        for ordinal in ordinals:
            study.sampler = _sampler(f"{self._spec.seed}:{ordinal}")
            asked = study.ask(distributions)
            cells.append(self._space.at(_units_of(self._space, asked.params)))
        return cells


def _sampler(seed: str) -> Any:
    import optuna

    number = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:4], "big")
    return optuna.samplers.TPESampler(seed=number, n_startup_trials=0, constant_liar=True)


def _running(space: Space, distributions: Any, trial: Known) -> Any:
    import optuna

    return optuna.trial.create_trial(
        state=optuna.trial.TrialState.RUNNING,
        params=_coordinates(space, trial.values),
        distributions=distributions,
    )


def _distributions(space: Space) -> dict[str, Any]:
    """Choices are categories, everything else is the unit interval that its expression has."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    return {
        name: CategoricalDistribution(list(range(each.size or 0)))
        if each.is_choice
        else FloatDistribution(0.0, 1.0)
        for name, each in space.parameters.items()
    }


def _coordinates(space: Space, values: Mapping[str, Any]) -> dict[str, Any]:
    units = space.units(values)
    return {
        name: int(units[name] * len(each.arguments)) if each.is_choice else units[name]
        for name, each in space.parameters.items()
    }


def _units_of(space: Space, params: Mapping[str, Any]) -> dict[str, float]:
    return {
        name: (params[name] + 0.5) / len(each.arguments) if each.is_choice else params[name]
        for name, each in space.parameters.items()
    }
