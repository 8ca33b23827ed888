"""The calls on sweeps: submit, read, pause, resume, extend, retry.

A call changes the stored sweep and notifies the sweeper (`engine.sweeper`), which drives the sweep.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from dispatcher.access.permissions import Grant
from dispatcher.core.errors import InvalidSpec, RunConflict, RunNotFound
from dispatcher.core.runs.lifecycle import Run, Status
from dispatcher.core.runs.spec import RunSpec
from dispatcher.core.sweeps.grid import Grid
from dispatcher.core.sweeps.pruners import orient
from dispatcher.core.sweeps.search_space import config_hash
from dispatcher.core.sweeps.sweep import (
    MAX_TOTAL,
    TYPE,
    Cell,
    Sweep,
    SweepSpec,
    trial_spec,
)
from dispatcher.services.submission import SubmissionService
from dispatcher.services.sweeps.suggester import Suggester, check_installed, some_cell
from dispatcher.services.sweeps.trial_history import TrialRecord
from dispatcher.services.sweeps.trials import (
    Trial,
    all_trials,
    best_trials,
    cell_of,
    pareto_front,
    trials_of,
)
from dispatcher.store.contract import Store, Transaction

SYSTEM_PREFIX = "_aml_system_"
MAX_RETRIES = 10


class SweepService:
    """Accepts, changes and reads sweeps.

    Args:
        store: Where sweeps are stored.
        submission: Submits the runs of sweeps.
        notify: Called with a sweep's run id after each change of it.
    """

    def __init__(
        self, store: Store, submission: SubmissionService, notify: Callable[[str], None]
    ) -> None:
        self._store = store
        self._submission = submission
        self._notify = notify

    def submit(self, spec: SweepSpec, caller: Grant) -> Run:
        """Accept a sweep. If it exists already, with the same content or under the same key of its
        parent, its run is returned.

        Raises NotAllowed, InvalidSpec, TargetNotFound, SnapshotNotFound, RunConflict, KeyConflict.
        """
        self._check_parents(spec)
        check_installed(spec)
        cell = some_cell(spec)
        for number in range(max(1, len(spec.targets))):
            self._submission.check(trial_spec(spec, Cell(number, "k", cell)), caller)
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
            inherits=spec.trial.inherits,
            properties={**spec.properties, **_properties(spec)},
        )

        def store_sweep(tx: Transaction) -> None:
            if spec.parent_id and spec.key and tx.runs.by_key(spec.parent_id, [spec.key]):
                return  # an earlier attempt of the parent has submitted it
            sources = tx.runs.get(spec.resume_from, lock=True)  # none of them is deleted meanwhile
            for source in spec.resume_from:
                if source not in sources:
                    raise RunNotFound(source)
            known = tx.sweeps.get([spec.id]).get(spec.id)
            if known is not None and known.spec != spec:
                raise RunConflict(f"sweep {spec.id!r} exists already, with another content")
            if known is None:
                tx.sweeps.put(Sweep(spec.id, spec))
                tx.labels.set_tags(spec.id, {**spec.tags, **system_tags(spec)})

        [run] = self._submission.submit([parent], caller, store_sweep)
        return run

    def get(self, run_id: str) -> Sweep:
        """The sweep with a run id. Raises RunNotFound."""
        return _require_sweep(self._store.read(lambda tx: tx.sweeps.get([run_id])), run_id)

    def pause(self, run_id: str) -> Sweep:
        """Start no further trials. Open trials continue, and the duration keeps counting."""
        return self._change(run_id, lambda sweep: replace(sweep, paused=True))

    def resume(self, run_id: str) -> Sweep:
        """Start trials again after a pause."""
        return self._change(run_id, lambda sweep: replace(sweep, paused=False))

    def extend(self, run_id: str, add: int) -> Sweep:
        """Raise max_total_runs by `add`. Raises InvalidSpec above the limit."""

        def raised(sweep: Sweep) -> Sweep:
            total = sweep.spec.max_total_runs + add
            if total > MAX_TOTAL:
                raise InvalidSpec(f"add: {total} trials in all; a sweep has at most {MAX_TOTAL}")
            spec = sweep.spec.model_copy(update={"max_total_runs": total})
            return replace(sweep, spec=spec)

        return self._change(run_id, raised)

    def retry(self, run_id: str) -> Sweep:
        """Retry the failed trials once more. Raises InvalidSpec after MAX_RETRIES retries."""

        def with_retry(sweep: Sweep) -> Sweep:
            if sweep.retries >= MAX_RETRIES:
                raise InvalidSpec(f"retries: a failed trial is retried at most {MAX_RETRIES} times")
            return replace(sweep, retries=sweep.retries + 1)

        return self._change(run_id, with_retry)

    def retry_as_new_sweep(self, run_id: str, new_id: str, caller: Grant) -> Run:
        """Submit a new sweep that tries the failed cells of an ended one. Raises InvalidSpec."""
        cells = self.failed_cells(run_id)
        if not cells:
            raise InvalidSpec(f"sweep {run_id!r} has no failed trial without a successful retry")
        fields = self.get(run_id).spec.model_dump(exclude_defaults=True)
        return self.submit(
            SweepSpec.model_validate(
                {**fields, "id": new_id, "first": cells, "max_total_runs": len(cells),
                 "resume_from": [run_id]}
            ),
            caller,
        )  # fmt: skip

    def failed_cells(self, run_id: str) -> list[Mapping[str, Any]]:
        """The cells without a try that is open or has succeeded, each once."""
        children = self.children(run_id)
        not_failed = {run.spec.key_hash for run in children if run.status != "Failed"}
        failed = [run for run in children if run.spec.key_hash not in not_failed]
        return list({run.spec.key_hash: cell_of(run) for run in failed}.values())

    def children(self, run_id: str) -> list[Run]:
        """All trials, by number."""
        return self._store.read(lambda tx: all_trials(tx, run_id))

    def page(self, run_id: str, *, after: int, limit: int) -> list[Trial]:
        """Up to `limit` trials by number, after number `after`."""
        sweep = self.get(run_id)

        def work(tx: Transaction) -> list[Trial]:
            ids = [f"{run_id}_{number}" for number in range(after + 1, after + 1 + limit)]
            return trials_of(tx, sweep, list(tx.runs.get(ids).values()))

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
                best = [trial for sweep in sweeps for trial in best_trials(tx, sweep, top)]
                if sum(trial.best is not None for trial in best) >= top:
                    return best
            return [
                trial
                for sweep in sweeps
                for trial in trials_of(tx, sweep, all_trials(tx, sweep.run_id))
            ]

        trials = self._store.read(work)
        scored = [trial for trial in trials if trial.best is not None]
        scored.sort(key=lambda t: orient(t.best or 0.0, goal), reverse=not reverse)
        rest = [] if with_metric else [trial for trial in trials if trial.best is None]
        return (scored + rest)[:top]

    def front(self, run_ids: Sequence[str]) -> list[Trial]:
        """The trials that no other dominates; with one metric, the best and its equals."""
        sweeps = [self.get(run_id) for run_id in run_ids]
        trials = self._store.read(
            lambda tx: [
                trial
                for each in sweeps
                for trial in trials_of(tx, each, all_trials(tx, each.run_id))
            ]
        )
        return pareto_front(trials, sweeps[0].spec.metrics)

    def suggester(self, tx: Transaction, spec: SweepSpec) -> Suggester:
        """The suggester of a sweep, with the trials of the sweeps that it resumes from."""
        completed: set[str] = set()
        warm: list[TrialRecord] = []
        for parent in tx.sweeps.get(spec.resume_from).values():
            for trial in trials_of(tx, parent, all_trials(tx, parent.run_id)):
                cell = cell_of(trial.run)
                if not spec.sampling.space.has(cell):
                    continue
                if trial.run.status is Status.COMPLETED:
                    completed.add(config_hash(cell))
                if trial.scores:
                    warm.append(TrialRecord(-1 - len(warm), cell, trial.scores))
        return Suggester(spec, completed, warm)

    def _change(self, run_id: str, change: Callable[[Sweep], Sweep]) -> Sweep:
        def work(tx: Transaction) -> Sweep:
            # The run is locked before its sweep is read: the sweeper may be about to end it.
            run = tx.runs.get([run_id], lock=True).get(run_id)
            sweep = _require_sweep(tx.sweeps.get([run_id]), run_id)
            if run is None:
                raise RunNotFound(run_id)
            if run.terminal:
                raise RunConflict(
                    f"sweep {run_id!r} is {run.status} and cannot be changed: submit a "
                    "new sweep that resumes from it (resume_from)"
                )
            after = change(sweep)
            tx.sweeps.put(after)
            tx.labels.set_tags(run_id, system_tags(after.spec))
            return after

        changed = self._store.write(work)
        self._notify(run_id)
        return changed

    def _check_parents(self, spec: SweepSpec) -> None:
        if not spec.resume_from:
            return
        parents = list(spec.resume_from)
        if len(set(parents)) != len(parents):
            raise InvalidSpec("resume_from: contains a sweep twice")
        runs, sweeps = self._store.read(lambda tx: (tx.runs.get(parents), tx.sweeps.get(parents)))
        for parent in parents:
            if parent not in runs:
                raise RunNotFound(parent)
            if parent not in sweeps:
                raise InvalidSpec(f"resume_from: run {parent!r} is not a sweep")
            if runs[parent].status not in ("Completed", "Canceled"):
                raise InvalidSpec(
                    f"resume_from: sweep {parent!r} is {runs[parent].status}; it must be "
                    "Completed or Canceled"
                )
            _check_parent(spec, sweeps[parent].spec)


def system_tags(spec: SweepSpec) -> dict[str, str | None]:
    """The tags of a sweep's run, as v1 sets them."""
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
        f"{SYSTEM_PREFIX}{name}": json.dumps(fact) for name, fact in facts.items()
    }
    texts[f"{SYSTEM_PREFIX}max_total_jobs"] = str(spec.max_total_runs)
    texts[f"{SYSTEM_PREFIX}max_concurrent_jobs"] = str(spec.max_concurrent_runs)
    texts[f"{SYSTEM_PREFIX}max_duration_minutes"] = f"{spec.max_duration_minutes:g}"
    return texts


def _check_parent(spec: SweepSpec, parent: SweepSpec) -> None:
    if parent.metrics != spec.metrics:
        raise InvalidSpec(
            f"resume_from: sweep {parent.id!r} has the metrics {_metric_names(parent)}, this one "
            f"{_metric_names(spec)}"
        )
    bayesian = spec.sampling.name == "BayesianOptimization"
    if bayesian and parent.sampling.parameter_space != spec.sampling.parameter_space:
        raise InvalidSpec(
            f"resume_from: sweep {parent.id!r} has another parameter_space; Bayesian sampling "
            "needs the same one (RANDOM and TPE use the trials that fit)"
        )


def _metric_names(spec: SweepSpec) -> str:
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


def _require_sweep(sweeps: Mapping[str, Sweep], run_id: str) -> Sweep:
    sweep = sweeps.get(run_id)
    if sweep is None:
        raise RunNotFound(f"{run_id} (no sweep with that id)")
    return sweep
