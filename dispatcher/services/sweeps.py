"""Sweeps as their users call them: submitted, looked at, paused, extended.

What a sweep does next is its driver's business (`engine.sweeper`): these calls change what is kept
of it, and poke the driver.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from heapq import nlargest
from typing import Any

from dispatcher.core.errors import InvalidSpec, RunConflict, RunNotFound
from dispatcher.core.grid import Grid
from dispatcher.core.lifecycle import Run, Status
from dispatcher.core.policies import orient
from dispatcher.core.space import config_hash
from dispatcher.core.spec import RunSpec
from dispatcher.core.sweeps import (
    GENERATION,
    HYPERPARAMETERS,
    MAX_TOTAL,
    TYPE,
    Cell,
    Metric,
    Sweep,
    SweepSpec,
    trial_spec,
)
from dispatcher.services.submission import SubmissionService
from dispatcher.services.suggesting import Known, Suggester, check_installed, some_cell
from dispatcher.store.contract import RunQuery, Store, Transaction

OURS = "_aml_system_"
PAGE = 1_000
MAX_RETRIES = 10


@dataclass(frozen=True)
class Trial:
    """A trial as a table shows it. `best` is the best of all that it logged, None if it did not.

    Where a sweep goes by several metrics `scores` has the last of each, and `best` is the first of
    them; a trial that lacks one has neither.
    """

    run: Run
    number: int
    hyperparameters: str
    best: float | None
    logged: int
    scores: tuple[float, ...] = ()


class SweepService:
    """Takes sweeps, and answers how they stand."""

    def __init__(
        self, store: Store, submission: SubmissionService, poke: Callable[[str], None]
    ) -> None:
        self._store = store
        self._submission = submission
        self._poke = poke

    def submit(self, spec: SweepSpec) -> Run:
        """Accept a sweep. One that is there already, with the same content or under the same key of
        its parent, answers its run.

        Raises InvalidSpec, TargetNotFound, SnapshotNotFound, RunConflict, KeyConflict.
        """
        self._check_parents(spec)
        check_installed(spec)
        cell = some_cell(spec)
        for number in range(max(1, len(spec.targets))):
            self._submission.check(trial_spec(spec, Cell(number, "k", cell)))
        parent = RunSpec(
            id=spec.id,
            experiment=spec.experiment,
            parent_id=spec.parent_id,
            key=spec.key,
            key_hash=spec.key_hash,
            type=TYPE,
            display_name=spec.display_name,
            interactive=True,
            target=spec.trial.target,
            snapshot=spec.trial.snapshot,
            properties={**spec.properties, **_properties(spec)},
        )

        def keep(tx: Transaction) -> None:
            if spec.parent_id and spec.key and tx.runs.by_key(spec.parent_id, [spec.key]):
                return  # an earlier attempt of the parent has made it
            known = tx.sweeps.get([spec.id]).get(spec.id)
            if known is not None and known.spec != spec:
                raise RunConflict(f"sweep {spec.id!r} is there already, with another content")
            if known is None:
                tx.sweeps.put(Sweep(spec.id, spec))
                tx.labels.set_tags(spec.id, {**spec.tags, **system_tags(spec)})

        [run] = self._submission.submit([parent], keep)
        return run

    def get(self, run_id: str) -> Sweep:
        """Raises RunNotFound."""
        return _the(self._store.read(lambda tx: tx.sweeps.get([run_id])), run_id)

    def pause(self, run_id: str) -> Sweep:
        """Start no further trials; those that run go on. Its duration goes on, too."""
        return self._change(run_id, lambda sweep: replace(sweep, paused=True))

    def resume(self, run_id: str) -> Sweep:
        """Go on."""
        return self._change(run_id, lambda sweep: replace(sweep, paused=False))

    def extend(self, run_id: str, add: int) -> Sweep:
        """Let it make so many trials more."""

        def longer(sweep: Sweep) -> Sweep:
            total = sweep.spec.max_total_runs + add
            if total > MAX_TOTAL:
                raise InvalidSpec(f"add: {total} trials in all; a sweep has at most {MAX_TOTAL}")
            spec = sweep.spec.model_copy(update={"max_total_runs": total})
            return replace(sweep, spec=spec)

        return self._change(run_id, longer)

    def retry(self, run_id: str) -> Sweep:
        """Try what has failed once more."""

        def more(sweep: Sweep) -> Sweep:
            if sweep.retries >= MAX_RETRIES:
                raise InvalidSpec(f"retries: a failed trial is tried again {MAX_RETRIES} times")
            return replace(sweep, retries=sweep.retries + 1)

        return self._change(run_id, more)

    def again(self, run_id: str, new_id: str) -> Run:
        """A sweep of its own that tries what has failed in one that is over. Raises InvalidSpec."""
        cells = self.failed_cells(run_id)
        if not cells:
            raise InvalidSpec(f"sweep {run_id!r} has no trial that failed and was not made good")
        told = self.get(run_id).spec.model_dump(exclude_defaults=True)
        return self.submit(
            SweepSpec.model_validate(
                {**told, "id": new_id, "first": cells, "max_total_runs": len(cells),
                 "resume_from": [run_id]}
            )
        )  # fmt: skip

    def failed_cells(self, run_id: str) -> list[Mapping[str, Any]]:
        """The cells whose last try has failed, none twice."""
        children = self.children(run_id)
        good = {run.spec.key_hash for run in children if run.status != "Failed"}
        failed = [run for run in children if run.spec.key_hash not in good]
        return list({run.spec.key_hash: cell_of(run) for run in failed}.values())

    def children(self, run_id: str) -> list[Run]:
        """All trials, by number."""
        return self._store.read(lambda tx: all_trials(tx, run_id))

    def page(self, run_id: str, *, after: int, limit: int) -> list[Trial]:
        """Trials by number, from after one on."""
        sweep = self.get(run_id)

        def work(tx: Transaction) -> list[Trial]:
            ids = [f"{run_id}_{number}" for number in range(after + 1, after + 1 + limit)]
            return _trials(tx, sweep, list(tx.runs.get(ids).values()))

        return sorted(self._store.read(work), key=lambda trial: trial.number)

    def ranked(
        self, run_ids: Sequence[str], *, top: int | None = None, reverse: bool = False,
        with_metric: bool = False,
    ) -> list[Trial]:  # fmt: skip
        """The trials of sweeps, best first; those without a value last."""
        sweeps = [self.get(run_id) for run_id in run_ids]
        goal = sweeps[0].spec.primary_metric.goal

        def work(tx: Transaction) -> list[Trial]:
            if top is not None and not reverse and not sweeps[0].spec.further_metrics:
                found = [trial for sweep in sweeps for trial in _first(tx, sweep, top)]
                if sum(trial.best is not None for trial in found) >= top:
                    return found
            return [
                trial
                for sweep in sweeps
                for trial in _trials(tx, sweep, all_trials(tx, sweep.run_id))
            ]

        trials = self._store.read(work)
        scored = [trial for trial in trials if trial.best is not None]
        scored.sort(key=lambda t: orient(t.best or 0.0, goal), reverse=not reverse)
        rest = [] if with_metric else [trial for trial in trials if trial.best is None]
        return (scored + rest)[:top]

    def front(self, run_ids: Sequence[str]) -> list[Trial]:
        """The trials that none is better than: with one metric the best, and those like it."""
        sweeps = [self.get(run_id) for run_id in run_ids]
        trials = self._store.read(
            lambda tx: [
                trial for each in sweeps for trial in _trials(tx, each, all_trials(tx, each.run_id))
            ]
        )
        return front(trials, sweeps[0].spec.metrics)

    def suggester(self, tx: Transaction, spec: SweepSpec) -> Suggester:
        """Who suggests its cells, with what the sweeps that it goes on from have found."""
        done: set[str] = set()
        warm: list[Known] = []
        for parent in tx.sweeps.get(spec.resume_from).values():
            for trial in _trials(tx, parent, all_trials(tx, parent.run_id)):
                cell = cell_of(trial.run)
                if not spec.sampling.space.has(cell):
                    continue
                if trial.run.status is Status.COMPLETED:
                    done.add(config_hash(cell))
                if trial.scores:
                    warm.append(Known(-1 - len(warm), cell, trial.scores))
        return Suggester(spec, done, warm)

    def _change(self, run_id: str, change: Callable[[Sweep], Sweep]) -> Sweep:
        def work(tx: Transaction) -> Sweep:
            sweep = _the(tx.sweeps.get([run_id]), run_id)
            run = tx.runs.get([run_id], lock=True)[run_id]
            if run.terminal:
                raise RunConflict(
                    f"sweep {run_id!r} is {run.status}, and what has ended stays so: submit "
                    "another one that goes on from it (resume_from)"
                )
            after = change(sweep)
            tx.sweeps.put(after)
            tx.labels.set_tags(run_id, system_tags(after.spec))
            return after

        changed = self._store.write(work)
        self._poke(run_id)
        return changed

    def _check_parents(self, spec: SweepSpec) -> None:
        if not spec.resume_from:
            return
        parents = list(spec.resume_from)
        if len(set(parents)) != len(parents):
            raise InvalidSpec("resume_from: names a sweep twice")
        runs, sweeps = self._store.read(lambda tx: (tx.runs.get(parents), tx.sweeps.get(parents)))
        for parent in parents:
            if parent not in runs:
                raise RunNotFound(parent)
            if parent not in sweeps:
                raise InvalidSpec(f"resume_from: run {parent!r} is no sweep")
            if runs[parent].status not in ("Completed", "Canceled"):
                raise InvalidSpec(
                    f"resume_from: sweep {parent!r} is {runs[parent].status}; it has to be "
                    "Completed or Canceled"
                )
            _check_parent(spec, sweeps[parent].spec)


def system_tags(spec: SweepSpec) -> dict[str, str | None]:
    """What v1 keeps of a sweep in its run's tags."""
    facts = {
        "generator_config": spec.sampling.model_dump(exclude_none=True),
        "policy_config": spec.policy.model_dump(exclude_none=True),
        "primary_metric_config": spec.primary_metric.model_dump(),
        **(
            {"further_metrics_config": [m.model_dump() for m in spec.further_metrics]}
            if spec.further_metrics
            else {}
        ),
        "platform_config": {"ServiceAddress": "", "RunDefinition": dict(spec.trial.definition)},
    }
    texts: dict[str, str | None] = {
        f"{OURS}{name}": json.dumps(fact) for name, fact in facts.items()
    }
    texts[f"{OURS}max_total_jobs"] = str(spec.max_total_runs)
    texts[f"{OURS}max_concurrent_jobs"] = str(spec.max_concurrent_runs)
    texts[f"{OURS}max_duration_minutes"] = f"{spec.max_duration_minutes:g}"
    return texts


def all_trials(tx: Transaction, run_id: str) -> list[Run]:
    """All trials of a sweep, by number."""
    found: list[Run] = []
    before: int | None = None
    while True:
        page = tx.runs.query(RunQuery(parent=run_id, limit=PAGE, before_seq=before))
        found += page
        if len(page) < PAGE:
            return sorted(
                (run for run in found if number_of(run) is not None),
                key=lambda run: number_of(run) or 0,
            )
        before = page[-1].seq


def number_of(run: Run) -> int | None:
    """The number of a trial; None for another child that someone gave the sweep."""
    stem, _, number = run.id.rpartition("_")
    is_trial = stem == run.spec.parent_id and number.isdecimal() and run.spec.key is not None
    return int(number) if is_trial and HYPERPARAMETERS in run.spec.properties else None


def cell_of(run: Run) -> Mapping[str, Any]:
    """The values that a trial tries."""
    found: Mapping[str, Any] = json.loads(run.spec.properties[HYPERPARAMETERS] or "{}")
    return found


def generation_of(run: Run) -> tuple[int, tuple[int, ...], str] | None:
    """Of which generation a trial is, the numbers of those it follows from, and both as noted."""
    note = run.spec.properties.get(GENERATION)
    if note is None:
        return None
    noted = json.loads(note)
    return int(noted["generation"]), tuple(noted.get("parents", ())), note


def final_scores(lasts: Mapping[str, float], metrics: Sequence[Metric]) -> tuple[float, ...]:
    """The last of each metric; none unless all are there and numbers."""
    values = [lasts.get(metric.name, math.nan) for metric in metrics]
    return tuple(values) if all(map(math.isfinite, values)) else ()


def front(trials: Sequence[Trial], metrics: Sequence[Metric]) -> list[Trial]:
    """Those that no other is better than in a metric without being worse in another."""
    marks = {
        trial.run.id: tuple(orient(v, m.goal) for v, m in zip(trial.scores, metrics, strict=True))
        for trial in trials
        if trial.scores
    }
    found: list[Trial] = []
    best: list[tuple[float, ...]] = []
    scored = [trial for trial in trials if trial.scores]
    # Whoever is better than a trial in all comes before it, so it is compared with the front alone.
    for trial in sorted(scored, key=lambda each: marks[each.run.id], reverse=True):
        mark = marks[trial.run.id]
        if not any(_dominates(other, mark) for other in best):
            found.append(trial)
            best.append(mark)
    return found


def _dominates(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one != other and all(a >= b for a, b in zip(one, other, strict=True))


def best_of(values: Sequence[Any], goal: str) -> float | None:
    """The best of what was logged; None if none of it is a finite number."""
    numbers = [
        float(v)
        for v in values
        if isinstance(v, int | float) and not isinstance(v, bool) and math.isfinite(v)
    ]
    if not numbers:
        return None
    return max(numbers) if goal == "maximize" else min(numbers)


def _trials(tx: Transaction, sweep: Sweep, runs: Sequence[Run]) -> list[Trial]:
    metrics = sweep.spec.metrics
    ids, attempts = [run.id for run in runs], {run.id: run.attempt for run in runs}
    points = [tx.telemetry.points(ids, metric.name, attempts) for metric in metrics]
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


def _first(tx: Transaction, sweep: Sweep, top: int) -> list[Trial]:
    """The best trials alone, found by what was logged: ten thousand runs need not be read. None
    if a trial among them has begun anew since.
    """
    metric = sweep.spec.primary_metric
    made = sum(tx.runs.children_by_status([sweep.run_id]).get(sweep.run_id, {}).values())
    ids = [f"{sweep.run_id}_{number}" for number in range(made)]
    scores: list[tuple[float, str, int]] = []
    for run_id, points in tx.telemetry.points(ids, metric.name).items():
        attempt = max(point.attempt for point in points)
        values = [p.value for p in points if p.attempt == attempt and p.kind == "scalar"]
        best = best_of(values, metric.goal)
        if best is not None:
            scores.append((orient(best, metric.goal), run_id, attempt))
    chosen = nlargest(top, scores, key=lambda score: score[0])
    runs = tx.runs.get([run_id for _, run_id, _ in chosen])
    if any(run_id not in runs or runs[run_id].attempt != attempt for _, run_id, attempt in chosen):
        return []
    return _trials(tx, sweep, [runs[run_id] for _, run_id, _ in chosen])


def _check_parent(spec: SweepSpec, parent: SweepSpec) -> None:
    if parent.metrics != spec.metrics:
        raise InvalidSpec(
            f"resume_from: sweep {parent.id!r} goes by {_named(parent)}, this one by {_named(spec)}"
        )
    bayesian = spec.sampling.name == "BayesianOptimization"
    if bayesian and parent.sampling.parameter_space != spec.sampling.parameter_space:
        raise InvalidSpec(
            f"resume_from: sweep {parent.id!r} has another parameter_space; Bayesian sampling goes "
            "on in the same one (RANDOM and TPE take what fits)"
        )


def _named(spec: SweepSpec) -> str:
    return ", ".join(f"{metric.name!r} ({metric.goal})" for metric in spec.metrics)


def _properties(spec: SweepSpec) -> dict[str, str | None]:
    space = spec.sampling.space
    size = Grid(space).size if spec.sampling.name == "GRID" else space.size
    return {
        "azureml.runsource": "hyperdrive",
        "runTemplate": "HyperDrive",
        "space_size": "infinite_space_size" if size is None else str(size),
        "resume_from": json.dumps(list(spec.resume_from)) if spec.resume_from else "null",
    }


def _the(found: Mapping[str, Sweep], run_id: str) -> Sweep:
    sweep = found.get(run_id)
    if sweep is None:
        raise RunNotFound(f"{run_id} (no sweep of that id)")
    return sweep
