"""Sweeps: submit, look, steer."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, status

from dispatcher.core.errors import NotAllowed, RunConflict
from dispatcher.core.lifecycle import Run
from dispatcher.core.sweeps import Metric, Sweep, SweepSpec
from dispatcher.server.deps import Caller, S, Services, reach
from dispatcher.server.schemas import AgainBody, ExtendBody, moment, views
from dispatcher.services.trials import Trial

router = APIRouter(prefix="/sweeps", tags=["sweeps"])


@router.post("", status_code=status.HTTP_201_CREATED)
def submit_sweep(spec: SweepSpec, services: S, caller: Caller) -> dict[str, Any]:
    """Accept a sweep; the answer is its run. What it runs must be uploaded already."""
    if caller.kind != "owner":
        if not spec.parent_id:
            raise NotAllowed("parent_id: a run may only submit sweeps below itself")
        reach(services, caller, spec.parent_id)
    return views(services.store, [services.sweeps.submit(spec)])[0]


@router.get("/{run_id}")
def read_sweep(run_id: str, services: S, caller: Caller) -> dict[str, Any]:
    """What was asked for, and how it stands."""
    run = reach(services, caller, run_id)
    return _shown(services, run, services.sweeps.get(run_id))


@router.get("/{run_id}/trials")
def read_trials(
    run_id: str,
    services: S,
    caller: Caller,
    after: Annotated[int, Query(ge=-1, lt=1 << 31)] = -1,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> dict[str, Any]:
    """The table of trials by number, page by page."""
    reach(services, caller, run_id)
    metrics = services.sweeps.get(run_id).spec.metrics
    trials = services.sweeps.page(run_id, after=after, limit=limit)
    following = trials[-1].number if len(trials) == limit else None
    return {"trials": [_row(trial, metrics) for trial in trials], "next": following}


@router.get("/{run_id}/ranking")
def read_ranking(
    run_id: str,
    services: S,
    caller: Caller,
    top: Annotated[int | None, Query(ge=1, le=100_000)] = None,
    reverse: bool = False,
    discard_no_metric: bool = False,
    include_resumed: bool = False,
) -> dict[str, Any]:
    """The trials by the best value that each has logged, those without one last."""
    ids, metrics = _asked(services, caller, run_id, include_resumed)
    trials = services.sweeps.ranked(ids, top=top, reverse=reverse, with_metric=discard_no_metric)
    return {"trials": [_row(trial, metrics) for trial in trials]}


@router.get("/{run_id}/front")
def read_front(
    run_id: str, services: S, caller: Caller, include_resumed: bool = False
) -> dict[str, Any]:
    """The trials that no other is better than in every metric, best by the first metric first."""
    ids, metrics = _asked(services, caller, run_id, include_resumed)
    return {"trials": [_row(trial, metrics) for trial in services.sweeps.front(ids)]}


@router.post("/{run_id}/pause")
def pause_sweep(run_id: str, services: S, caller: Caller) -> dict[str, Any]:
    """Start no further trials until it is resumed; those that run go on."""
    run = reach(services, caller, run_id)
    return _shown(services, run, services.sweeps.pause(run_id))


@router.post("/{run_id}/resume")
def resume_sweep(run_id: str, services: S, caller: Caller) -> dict[str, Any]:
    """Go on."""
    run = reach(services, caller, run_id)
    return _shown(services, run, services.sweeps.resume(run_id))


@router.post("/{run_id}/extend")
def extend_sweep(run_id: str, body: ExtendBody, services: S, caller: Caller) -> dict[str, Any]:
    """Let it make so many trials more. 409 if it has ended."""
    run = reach(services, caller, run_id)
    return _shown(services, run, services.sweeps.extend(run_id, body.add))


@router.post("/{run_id}/retry")
def retry_sweep(run_id: str, services: S, caller: Caller) -> dict[str, Any]:
    """Try its failed trials once more. 409 if it has ended."""
    run = reach(services, caller, run_id)
    return _shown(services, run, services.sweeps.retry(run_id))


@router.post("/{run_id}/again", status_code=status.HTTP_201_CREATED)
def redo_sweep(run_id: str, body: AgainBody, services: S, caller: Caller) -> dict[str, Any]:
    """A new sweep of the failed trials of one that is over."""
    run = reach(services, caller, run_id)
    if not run.terminal:
        raise RunConflict(f"sweep {run_id!r} is not over: its failed trials are tried by /retry")
    return views(services.store, [services.sweeps.again(run_id, body.id)])[0]


def _shown(services: Services, run: Run, sweep: Sweep) -> dict[str, Any]:
    counts = services.store.read(lambda tx: tx.runs.children_by_status([run.id]))
    return {
        "id": run.id,
        "status": run.shown_status,
        "terminal": run.terminal,
        "paused": sweep.paused,
        "retries": sweep.retries,
        "spec": sweep.spec.model_dump(mode="json"),
        "trials": counts.get(run.id, {}),
        "created_at": moment(run.created_at),
        "deadline": moment(sweep.spec.deadline(run.created_at)),
    }


def _asked(
    services: Services, caller: Caller, run_id: str, include_resumed: bool
) -> tuple[list[str], Sequence[Metric]]:
    """The sweeps that are asked for, which the caller may see, and what they go by."""
    reach(services, caller, run_id)
    spec = services.sweeps.get(run_id).spec
    others = spec.resume_from if include_resumed else ()
    for other in others:
        reach(services, caller, other)
    return [run_id, *others], spec.metrics


def _row(trial: Trial, metrics: Sequence[Metric]) -> dict[str, Any]:
    names = [metric.name for metric in metrics]
    return {
        "number": trial.number,
        "run_id": trial.run.id,
        "status": trial.run.shown_status,
        "hyperparameters": trial.hyperparameters,
        "best_primary_metric": trial.best,
        "metrics": dict(zip(names, trial.scores, strict=False)),
        "logged": trial.logged,
        "started_at": moment(trial.run.started_at),
        "ended_at": moment(trial.run.ended_at),
    }
