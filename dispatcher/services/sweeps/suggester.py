"""Which cell a sweep tries next.

Everything follows from the sweep's seed and from its trials, so a service that was killed at any
moment suggests the same again; nothing else is kept. What is random in a trial comes from the seed
and the trial's ordinal alone.

Random, grid and the Sobol sequence need no history: a place in the unit cube is led through the
space's own expressions (`core.sweeps.search_space`), which Optuna's distributions do not have all
of. What goes by results asks Optuna's samplers (`optuna_adapter`, `evolutionary_samplers`).

A cell that a constraint rejects is never suggested: another is drawn in its place, from the same
seed. A space that rejects nearly all is refused when the sweep is submitted.
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
from dispatcher.services.sweeps.trial_history import SEEN, TrialHistory, TrialRecord

DRAWS = 10_000  # so many are drawn for one cell, before a space is said to reject all
MOST_DIMENSIONS = 21_201  # scipy's table for Sobol's sequence
BLOCK = 256


@dataclass(frozen=True)
class Suggested:
    """A cell to try, and what is to be noted of it: see `core.sweeps.sweep.Cell`."""

    values: dict[str, Any]
    generation: str | None = None


class GuidedSampler(Protocol):
    """A sampler that goes by results.

    It is asked `patience` times for a cell that no constraint rejects, then one is drawn at random.
    """

    patience: int

    def begin(self, trials: TrialHistory) -> bool:
        """Look at the trials before a batch; whether there is enough to go by."""
        ...

    def ask(self, seed: int, drawn: dict[str, float]) -> dict[str, float]:
        """A place in the unit cube; `drawn` is one at random, for what is not gone by."""
        ...

    def take(self, values: Values) -> str | None:
        """A cell is tried. What is to be noted of it."""
        ...


class Suggester:
    """Suggests the cells of one sweep.

    Args:
        spec: The sweep.
        done: Hashes of cells that other sweeps have done: a grid leaves them out.
        warm: Ended trials of other sweeps, to learn from.
    """

    def __init__(
        self, spec: SweepSpec, done: Collection[str] = (), warm: Sequence[TrialRecord] = ()
    ) -> None:
        self._spec = spec
        self._space: Space = spec.sampling.space
        self._grid = Grid(self._space) if spec.sampling.name == "GRID" else None
        self._done = frozenset(done) - {config_hash(cell) for cell in spec.first}
        self._warm = tuple(warm)[-SEEN:]
        self._next = 0  # cells of the grid before this one are taken
        self._sequence: tuple[int, Iterator[dict[str, Any]]] = (0, iter(()))
        self._guided_sampler: GuidedSampler | None = None

    @property
    def is_guided(self) -> bool:
        """Whether suggestions depend on what the trials have logged."""
        return self._spec.sampling.name in GUIDED

    def left(self, taken: Collection[str]) -> int | None:
        """How many cells there are beyond those taken, by hash; None: no end to them.

        Where constraints reject cells it is no more than a bound, but 0 once there is none.
        """
        if self._grid is None:
            return None
        left = max(0, self._grid.size - len(self._done) - len(taken))
        if left and self._space.constraints:
            self._skip(taken)
            return min(left, self._grid.size - self._next)
        return left

    def suggest(
        self, ordinals: Sequence[int], taken: Collection[str], trials: TrialHistory
    ) -> list[Suggested]:
        """Cells for the trials of these ordinals; fewer if the grid is at its end.

        Raises:
            InvalidSpec: The constraints reject all that was drawn.
        """
        cells = [Suggested(dict(self._spec.first[n])) for n in ordinals if self._is_first(n)]
        rest = ordinals[len(cells) :]
        if self._grid is not None:
            fresh = {config_hash(each.values) for each in cells}
            return cells + self._grid_cells(len(rest), taken, fresh)
        if self.is_guided and rest:
            return cells + self._guided(rest, trials)
        if self._spec.sampling.name == "QMC":
            return cells + [Suggested(self._sobol(ordinal)) for ordinal in rest]
        return cells + [Suggested(self._drawn(ordinal)) for ordinal in rest]

    def _is_first(self, ordinal: int) -> bool:
        return ordinal < len(self._spec.first)

    def _grid_cells(
        self, count: int, taken: Collection[str], fresh: Collection[str]
    ) -> list[Suggested]:
        assert self._grid is not None
        cells: list[Suggested] = []
        while len(cells) < count:
            self._skip(taken, fresh)
            if self._next >= self._grid.size:
                break
            cells.append(Suggested(self._grid.cell(self._next)))
            self._next += 1
        return cells

    def _skip(self, taken: Collection[str], fresh: Collection[str] = ()) -> None:
        """Go on to the grid's next cell that is not taken and that no constraint rejects."""
        assert self._grid is not None
        rejected = 0
        while self._next < self._grid.size:
            cell = self._grid.cell(self._next)
            if self._space.allows(cell):
                digest = config_hash(cell)
                if not any(digest in some for some in (taken, fresh, self._done)):
                    return
            else:
                rejected += 1
                if rejected > DRAWS * 10:
                    raise _nothing_left(rejected, "cells of the grid in a row")
            self._next += 1

    def _units(self, ordinal: int, attempt: int = 0) -> dict[str, float]:
        again = f":{attempt}" if attempt else ""
        source = random.Random(f"{self._spec.seed}:{ordinal}{again}")
        return {name: source.random() for name in sorted(self._space.parameters)}

    def _drawn(self, ordinal: int) -> dict[str, Any]:
        for attempt in range(DRAWS):
            cell = self._space.at(self._units(ordinal, attempt))
            if self._space.allows(cell):
                return cell
        raise _nothing_left(DRAWS, "cells drawn at random")

    def _sobol(self, ordinal: int) -> dict[str, Any]:
        """The cell at that place of the sequence, those that are rejected not counted."""
        place, cells = self._sequence
        if place > ordinal or not place:
            place, cells = 0, self._sobol_cells()
        cell = next(islice(cells, ordinal - place, None))
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
                        raise _nothing_left(rejected, "places of the sequence in a row")

    def _guided(self, ordinals: Sequence[int], trials: TrialHistory) -> list[Suggested]:
        if self._guided_sampler is None:
            self._guided_sampler = _guided_sampler(self._spec, self._warm)
        if not self._guided_sampler.begin(trials):
            return [Suggested(self._drawn(ordinal)) for ordinal in ordinals]
        cells = []
        for ordinal in ordinals:
            values = self._asked(self._guided_sampler, ordinal)
            cells.append(Suggested(values, self._guided_sampler.take(values)))
        return cells

    def _asked(self, sampler: GuidedSampler, ordinal: int) -> dict[str, Any]:
        for attempt in range(sampler.patience):
            again = f":{attempt}" if attempt else ""
            seed = _number(f"{self._spec.seed}:{ordinal}{again}")
            cell = self._space.at(sampler.ask(seed, self._units(ordinal, attempt)))
            if self._space.allows(cell):
                return cell
        return self._drawn(ordinal)


def check_installed(spec: SweepSpec) -> None:
    """Whether what a sampler needs is there. Raises InvalidSpec, which says how to install it."""
    if spec.sampling.name == "GP" and importlib.util.find_spec("torch") is None:
        raise InvalidSpec(
            "sampling.name: GP needs torch where the service runs, and it is not installed: "
            "pip install 'compute-target-dispatcher[gp]', and start the service again; TPE needs "
            "nothing"
        )


def some_cell(spec: SweepSpec) -> dict[str, Any]:
    """A cell that a sweep could try. Raises InvalidSpec: its constraints reject nearly all."""
    suggester = Suggester(spec.model_copy(update={"first": ()}))
    if suggester._grid is None:
        return suggester._drawn(0)
    found = suggester._grid_cells(1, (), ())
    if not found:
        raise _nothing_left(suggester._grid.size, "cells of the grid")
    return found[0].values


def _guided_sampler(spec: SweepSpec, warm: Sequence[TrialRecord]) -> GuidedSampler:
    """Optuna is imported when the first sweep that learns is driven: a service without one neither
    waits for it nor holds it.
    """
    if spec.sampling.name in BRED:
        from dispatcher.services.sweeps import evolutionary_samplers as breeding

        return breeding.sampler(spec, warm)
    from dispatcher.services.sweeps import optuna_adapter as studies

    return studies.ModelSampler(spec, warm)


def _nothing_left(count: int, what: str) -> InvalidSpec:
    return InvalidSpec(f"constraints: they reject {count} {what}, which is all that were looked at")


def _number(seed: str) -> int:
    return int.from_bytes(hashlib.sha256(seed.encode()).digest()[:4], "big")
