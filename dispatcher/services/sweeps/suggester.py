"""The suggester: chooses the next cells of a sweep.

Suggestions depend only on the sweep's seed and its trials, so a service that was killed at any
moment suggests the same cells again. Random numbers depend only on the seed and the trial's
ordinal.

Random, grid and Sobol sampling need no history. They map points of the unit cube through the
space's own expressions (`core.sweeps.search_space`), because Optuna's distributions lack some of
them. Guided samplers are Optuna's (`optuna_adapter`, `evolutionary_samplers`).

The suggester never suggests a cell that a constraint rejects: it draws another one from the same
seed. A space whose constraints reject nearly all cells is refused when the sweep is submitted.
"""

import hashlib
import importlib.util
import random
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

from dispatcher.core.errors import InvalidSpec
from dispatcher.core.sweeps.grid import Grid
from dispatcher.core.sweeps.search_space import Space, Values, config_hash
from dispatcher.core.sweeps.sweep import BRED, GUIDED, SweepSpec
from dispatcher.services.sweeps.trial_history import MAX_HISTORY, TrialHistory, TrialRecord

DRAWS = 10_000  # draws for one cell before the constraints count as unsatisfiable
BLOCK = 256


@dataclass(frozen=True)
class Suggested:
    """A suggested cell; `generation` is that of `core.sweeps.sweep.Cell`."""

    values: dict[str, Any]
    generation: str | None = None


class GuidedSampler(Protocol):
    """A sampler that learns from the results of trials.

    Attributes:
        patience: How often it is asked for a cell that no constraint rejects. After that the cell
            is drawn at random.
    """

    patience: int

    def begin(self, trials: TrialHistory) -> bool:
        """Read the trials before a batch; return whether there are enough to learn from."""
        ...

    def ask(self, seed: int, drawn: dict[str, float]) -> dict[str, float]:
        """A point of the unit cube; `drawn` is random, for parameters that are not guided."""
        ...

    def record(self, values: Values) -> str | None:
        """Record a cell that is to be tried; return its trial's generation property, if any."""
        ...


class Suggester:
    """Suggests the cells of one sweep.

    Args:
        spec: The sweep.
        completed: Hashes of cells that other sweeps have completed; a grid leaves them out.
        warm: Trials with scores of other sweeps, to learn from.
    """

    def __init__(
        self, spec: SweepSpec, completed: Collection[str] = (), warm: Sequence[TrialRecord] = ()
    ) -> None:
        self._spec = spec
        self._space: Space = spec.sampling.space
        self._grid = Grid(self._space) if spec.sampling.name == "GRID" else None
        self._completed = frozenset(completed) - {config_hash(cell) for cell in spec.first}
        self._warm = tuple(warm)[-MAX_HISTORY:]
        self._next = 0  # the grid's cells before this one are taken
        self._sequence: tuple[int, Iterator[dict[str, Any]]] = (0, iter(()))
        self._guided_sampler: GuidedSampler | None = None

    @property
    def is_guided(self) -> bool:
        """Whether suggestions depend on what the trials have logged."""
        return self._spec.sampling.name in GUIDED

    def left(self, taken: Collection[str]) -> int | None:
        """How many cells are not in `taken`, a set of hashes; None means infinitely many.

        With constraints it is an upper bound, and 0 once no cell is left.
        """
        if self._grid is None:
            return None
        left = max(0, self._grid.size - len(self._completed) - len(taken))
        if left and self._space.constraints:
            self._skip(taken)
            return min(left, self._grid.size - self._next)
        return left

    def suggest(
        self, ordinals: Sequence[int], taken: Collection[str], trials: TrialHistory
    ) -> list[Suggested]:
        """Cells for the trials with these ordinals; fewer at the end of a grid.

        Raises:
            InvalidSpec: The constraints reject all cells that were drawn.
        """
        cells = [Suggested(dict(self._spec.first[n])) for n in ordinals if self._is_first(n)]
        rest = ordinals[len(cells) :]
        if self._grid is not None:
            in_batch = {config_hash(each.values) for each in cells}
            return cells + self._grid_cells(len(rest), taken, in_batch)
        if self.is_guided and rest:
            return cells + self._guided(rest, trials)
        if self._spec.sampling.name == "QMC":
            return cells + [Suggested(self._sobol(ordinal)) for ordinal in rest]
        return cells + [Suggested(self._draw(ordinal)) for ordinal in rest]

    def _is_first(self, ordinal: int) -> bool:
        return ordinal < len(self._spec.first)

    def _grid_cells(
        self, count: int, taken: Collection[str], in_batch: Collection[str]
    ) -> list[Suggested]:
        assert self._grid is not None
        cells: list[Suggested] = []
        while len(cells) < count:
            self._skip(taken, in_batch)
            if self._next >= self._grid.size:
                break
            cells.append(Suggested(self._grid.cell(self._next)))
            self._next += 1
        return cells

    def _skip(self, taken: Collection[str], in_batch: Collection[str] = ()) -> None:
        """Move to the grid's next cell that is not taken and that no constraint rejects."""
        assert self._grid is not None
        rejected = 0
        while self._next < self._grid.size:
            cell = self._grid.cell(self._next)
            if self._space.allows(cell):
                digest = config_hash(cell)
                if not any(digest in hashes for hashes in (taken, in_batch, self._completed)):
                    return
            else:
                rejected += 1
                if rejected > DRAWS * 10:
                    raise _unsatisfiable(rejected, "cells of the grid in a row")
            self._next += 1

    def _units(self, ordinal: int, attempt: int = 0) -> dict[str, float]:
        suffix = f":{attempt}" if attempt else ""
        source = random.Random(f"{self._spec.seed}:{ordinal}{suffix}")
        return {name: source.random() for name in sorted(self._space.parameters)}

    def _draw(self, ordinal: int) -> dict[str, Any]:
        for attempt in range(DRAWS):
            cell = self._space.at(self._units(ordinal, attempt))
            if self._space.allows(cell):
                return cell
        raise _unsatisfiable(DRAWS, "cells drawn at random")

    def _sobol(self, ordinal: int) -> dict[str, Any]:
        """The cell at a position of the sequence; rejected cells do not count."""
        position, cells = self._sequence
        if position > ordinal or not position:
            position, cells = 0, self._sobol_cells()
        cell = next(islice(cells, ordinal - position, None))
        self._sequence = (ordinal + 1, cells)
        return cell

    def _sobol_cells(self) -> Iterator[dict[str, Any]]:
        from scipy.stats import qmc

        names = sorted(self._space.parameters)
        engine = qmc.Sobol(len(names), scramble=True, rng=_number(self._spec.seed))
        rejected = 0
        while True:
            for row in engine.random(BLOCK):
                cell = self._space.at(dict(zip(names, map(float, row), strict=True)))
                if self._space.allows(cell):
                    rejected = 0
                    yield cell
                else:
                    rejected += 1
                    if rejected > DRAWS:
                        raise _unsatisfiable(rejected, "points of the sequence in a row")

    def _guided(self, ordinals: Sequence[int], trials: TrialHistory) -> list[Suggested]:
        if self._guided_sampler is None:
            self._guided_sampler = _guided_sampler(self._spec, self._warm)
        if not self._guided_sampler.begin(trials):
            return [Suggested(self._draw(ordinal)) for ordinal in ordinals]
        cells = []
        for ordinal in ordinals:
            values = self._ask(self._guided_sampler, ordinal)
            cells.append(Suggested(values, self._guided_sampler.record(values)))
        return cells

    def _ask(self, sampler: GuidedSampler, ordinal: int) -> dict[str, Any]:
        for attempt in range(sampler.patience):
            suffix = f":{attempt}" if attempt else ""
            seed = _number(f"{self._spec.seed}:{ordinal}{suffix}")
            cell = self._space.at(sampler.ask(seed, self._units(ordinal, attempt)))
            if self._space.allows(cell):
                return cell
        return self._draw(ordinal)


def check_installed(spec: SweepSpec) -> None:
    """Check that the packages of the sampler are installed. Raises InvalidSpec if not."""
    if spec.sampling.name == "GP" and importlib.util.find_spec("torch") is None:
        raise InvalidSpec(
            "sampling.name: GP needs torch in the service's environment, which does not have it: "
            "pip install 'compute-target-dispatcher[gp]' and restart the service; TPE needs no "
            "extra package"
        )


def some_cell(spec: SweepSpec) -> dict[str, Any]:
    """A cell that a sweep could try. Raises InvalidSpec if its constraints reject nearly all."""
    suggester = Suggester(spec.model_copy(update={"first": ()}))
    if suggester._grid is None:
        return suggester._draw(0)
    cells = suggester._grid_cells(1, (), ())
    if not cells:
        raise _unsatisfiable(suggester._grid.size, "cells of the grid")
    return cells[0].values


def _guided_sampler(spec: SweepSpec, warm: Sequence[TrialRecord]) -> GuidedSampler:
    """The guided sampler of a sweep.

    Importing Optuna takes time and memory, so it happens here, for the first guided sweep.
    """
    if spec.sampling.name in BRED:
        from dispatcher.services.sweeps import evolutionary_samplers

        return evolutionary_samplers.sampler(spec, warm)
    from dispatcher.services.sweeps import optuna_adapter

    return optuna_adapter.ModelSampler(spec, warm)


def _unsatisfiable(count: int, kind: str) -> InvalidSpec:
    return InvalidSpec(f"constraints: they reject all {count} {kind}")


def _number(seed: str) -> int:
    return int.from_bytes(hashlib.sha256(seed.encode()).digest()[:4], "big")
