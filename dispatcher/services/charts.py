"""Histories of metrics as charts draw them: some hundred points of each, whatever was logged."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from dispatcher.core.runs.lifecycle import Run
from dispatcher.store.contract import Store, Transaction
from dispatcher.store.metrics.contract import Sample

MOST_METRICS = 60  # in one answer


@dataclass(frozen=True)
class Series:
    """A metric's history: parallel lists of steps, seconds since the epoch, and values.

    `count` is how many values were logged; a value that is not finite is None.
    """

    name: str
    count: int
    steps: list[int]
    times: list[float | None]
    values: list[float | None]


class ChartService:
    """Reads the numbers that runs have logged."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def series(self, run: Run, text: str, points: int) -> tuple[list[Series], int]:
        """The histories of a run's metrics by name, and how many metrics fit.

        Args:
            run: The run; of its present attempt.
            text: Part of the names; empty: all.
            points: At most about so many points of each.
        """

        def work(tx: Transaction) -> tuple[list[Series], int]:
            latest = tx.metrics.latest({run.id: run.attempt}).get(run.id, {})
            names = sorted(name for name in latest if text.lower() in name.lower())
            shown = [
                _series(name, tx.metrics.history(run.id, name, run.attempt), points)
                for name in names[:MOST_METRICS]
            ]
            return shown, len(names)

        return self._store.read(work)


def _series(name: str, samples: Sequence[Sample], points: int) -> Series:
    drawn = thinned(samples, points)
    return Series(
        name,
        len(samples),
        [step for _place, _value, _t, step in drawn],
        [t for _place, _value, t, _step in drawn],
        [value if math.isfinite(value) else None for _place, value, _t, _step in drawn],
    )


def thinned(samples: Sequence[Sample], points: int) -> Sequence[Sample]:
    """Lowest, highest and last sample of each of `points / 3` equal parts, in logging order.

    So a peak of one sample is drawn. Up to `points` samples are returned as they are.
    """
    if len(samples) <= points:
        return samples
    parts = max(1, points // 3)
    kept: list[Sample] = []
    for k in range(parts):
        part = samples[k * len(samples) // parts : (k + 1) * len(samples) // parts]
        finite = [sample for sample in part if math.isfinite(sample[1])] or part[-1:]
        chosen = {
            min(finite, key=lambda sample: sample[1]),
            max(finite, key=lambda sample: sample[1]),
            part[-1],
        }
        kept += sorted(chosen, key=lambda sample: sample[0])
    return kept
