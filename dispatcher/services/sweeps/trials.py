"""The trials of a sweep, read from its child runs: numbers, values, scores, the best ones."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import nlargest
from typing import Any

from dispatcher.core.runs.lifecycle import Run
from dispatcher.core.sweeps.pruners import orient
from dispatcher.core.sweeps.sweep import GENERATION, HYPERPARAMETERS, Metric, Sweep
from dispatcher.store.contract import Transaction
from dispatcher.store.runs.contract import PageCursor, RunQuery, cursor_of

PAGE = 1_000


@dataclass(frozen=True)
class Trial:
    """A trial as a table shows it.

    Attributes:
        best: The best logged value; None without one. With several metrics, the first of `scores`.
        logged: How many values of the primary metric it has logged.
        scores: With one metric, `best`. With several metrics, the last value of each; empty while
            one is missing.
    """

    run: Run
    number: int
    hyperparameters: str
    best: float | None
    logged: int
    scores: tuple[float, ...] = ()


def all_trials(tx: Transaction, run_id: str) -> list[Run]:
    """All trials of a sweep, sorted by number."""
    runs: list[Run] = []
    after: PageCursor | None = None
    while True:
        page = tx.runs.query(RunQuery(parent=run_id, limit=PAGE, after=after))
        runs += page
        if len(page) < PAGE:
            return sorted(
                (run for run in runs if number_of(run) is not None),
                key=lambda run: number_of(run) or 0,
            )
        after = cursor_of(page[-1])


def number_of(run: Run) -> int | None:
    """The number of a trial; None for a child run that the sweeper did not submit."""
    stem, _, number = run.id.rpartition("_")
    is_trial = stem == run.spec.parent_id and number.isdecimal() and run.spec.key is not None
    return int(number) if is_trial and HYPERPARAMETERS in run.spec.properties else None


def cell_of(run: Run) -> Mapping[str, Any]:
    """The values that a trial tries."""
    values: Mapping[str, Any] = json.loads(run.spec.properties[HYPERPARAMETERS] or "{}")
    return values


def generation_of(run: Run) -> tuple[int, tuple[int, ...], str] | None:
    """The generation of a trial, the numbers of its parents, and both as its property has them."""
    note = run.spec.properties.get(GENERATION)
    if note is None:
        return None
    fields = json.loads(note)
    return int(fields["generation"]), tuple(fields.get("parents", ())), note


def final_scores(last_values: Mapping[str, float], metrics: Sequence[Metric]) -> tuple[float, ...]:
    """The last value of each metric; empty unless all exist and are finite."""
    values = [last_values.get(metric.name, math.nan) for metric in metrics]
    return tuple(values) if all(map(math.isfinite, values)) else ()


def pareto_front(trials: Sequence[Trial], metrics: Sequence[Metric]) -> list[Trial]:
    """The trials that no other trial dominates."""
    marks = {
        trial.run.id: tuple(orient(v, m.goal) for v, m in zip(trial.scores, metrics, strict=True))
        for trial in trials
        if trial.scores
    }
    front: list[Trial] = []
    front_marks: list[tuple[float, ...]] = []
    scored = [trial for trial in trials if trial.scores]
    # In this order a dominating trial precedes the dominated: comparing with the front suffices.
    for trial in sorted(scored, key=lambda each: marks[each.run.id], reverse=True):
        mark = marks[trial.run.id]
        if not any(_dominates(other, mark) for other in front_marks):
            front.append(trial)
            front_marks.append(mark)
    return front


def _dominates(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one != other and all(a >= b for a, b in zip(one, other, strict=True))


def best_of(values: Sequence[Any], goal: str) -> float | None:
    """The best logged value; None if there is no finite number."""
    numbers = [
        float(v)
        for v in values
        if isinstance(v, int | float) and not isinstance(v, bool) and math.isfinite(v)
    ]
    if not numbers:
        return None
    return max(numbers) if goal == "maximize" else min(numbers)


def trials_of(tx: Transaction, sweep: Sweep, runs: Sequence[Run]) -> list[Trial]:
    """These runs of a sweep as trials."""
    metrics = sweep.spec.metrics
    ids, attempts = [run.id for run in runs], {run.id: run.attempt for run in runs}
    points = [tx.metrics.points(ids, metric.name, attempts) for metric in metrics]
    trials = []
    for run in runs:
        logged = [
            [point.value for point in each.get(run.id, ()) if point.kind == "scalar"]
            for each in points
        ]
        scores = _scores(logged, metrics)
        best = scores[0] if scores else None
        cell = run.spec.properties.get(HYPERPARAMETERS) or "{}"
        trials.append(Trial(run, number_of(run) or 0, cell, best, len(logged[0]), scores))
    return trials


def _scores(logged: Sequence[Sequence[Any]], metrics: Sequence[Metric]) -> tuple[float, ...]:
    if len(metrics) == 1:
        best = best_of(logged[0], metrics[0].goal)
        return () if best is None else (best,)
    pairs = zip(metrics, logged, strict=True)
    return final_scores({metric.name: _real(values[-1:]) for metric, values in pairs}, metrics)


def _real(values: Sequence[Any]) -> float:
    is_number = bool(values) and isinstance(values[0], int | float)
    return float(values[0]) if is_number and not isinstance(values[0], bool) else math.nan


def best_trials(tx: Transaction, sweep: Sweep, top: int) -> list[Trial]:
    """The best trials, found by their metrics, so that not all runs are read.

    Returns:
        Up to `top` trials, best first; none if one of them has a later attempt than its metrics.
    """
    metric = sweep.spec.primary_metric
    count = sum(tx.runs.children_by_status([sweep.run_id]).get(sweep.run_id, {}).values())
    ids = [f"{sweep.run_id}_{number}" for number in range(count)]
    scores: list[tuple[float, str, int]] = []
    for run_id, points in tx.metrics.points(ids, metric.name).items():
        attempt = max(point.attempt for point in points)
        values = [p.value for p in points if p.attempt == attempt and p.kind == "scalar"]
        best = best_of(values, metric.goal)
        if best is not None:
            scores.append((orient(best, metric.goal), run_id, attempt))
    chosen = nlargest(top, scores, key=lambda score: score[0])
    runs = tx.runs.get([run_id for _, run_id, _ in chosen])
    if any(run_id not in runs or runs[run_id].attempt != attempt for _, run_id, attempt in chosen):
        return []
    return trials_of(tx, sweep, [runs[run_id] for _, run_id, _ in chosen])
