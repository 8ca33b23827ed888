"""Sweeps: submit, read, pause, extend."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import Query, status

from dispatcher.access.permissions import Permission
from dispatcher.core.errors import RunConflict
from dispatcher.core.runs.lifecycle import Run
from dispatcher.core.sweeps.sweep import Metric, Sweep, SweepSpec
from dispatcher.server.bodies import Body
from dispatcher.server.deps import Caller, S
from dispatcher.server.guard import allow, guarded_router
from dispatcher.server.run_views import views
from dispatcher.server.schemas import AgainBody, ExtendBody
from dispatcher.server.services import Services
from dispatcher.server.views import RunView, SweepView, TrialList, TrialPage, TrialView, moment
from dispatcher.services.sweeps.trials import Trial

router = guarded_router(prefix="/sweeps", tags=["sweeps"])


@router.post("", status_code=status.HTTP_201_CREATED)
@allow(Permission.SUBMIT_RUNS, body=Body.BATCH)
def submit_sweep(spec: SweepSpec, services: S, caller: Caller) -> RunView:
    """Accept a sweep; the answer is its run. What it runs must be uploaded already."""
    return views(services.store, [services.sweeps.submit(spec, caller)])[0]


@router.get("/{run_id}")
@allow(Permission.READ_RUNS)
def read_sweep(run_id: str, services: S) -> SweepView:
    """The specification of a sweep, and its progress."""
    run = services.status.get(run_id)
    return _shown(services, run, services.sweeps.get(run_id))


@router.get("/{run_id}/trials")
@allow(Permission.READ_RUNS)
def read_trials(
    run_id: str,
    services: S,
    after: Annotated[int, Query(ge=-1, lt=1 << 31)] = -1,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> TrialPage:
    """The table of trials by number, page by page."""
    metrics = services.sweeps.get(run_id).spec.metrics
    trials = services.sweeps.page(run_id, after=after, limit=limit)
    following = trials[-1].number if len(trials) == limit else None
    return TrialPage(trials=[_row(trial, metrics) for trial in trials], next=following)


@router.get("/{run_id}/ranking")
@allow(Permission.READ_RUNS)
def read_ranking(
    run_id: str,
    services: S,
    caller: Caller,
    top: Annotated[int | None, Query(ge=1, le=100_000)] = None,
    reverse: bool = False,
    discard_no_metric: bool = False,
    include_resumed: bool = False,
) -> TrialList:
    """The trials by their best value, those without a value last."""
    ids, metrics = _asked(services, caller, run_id, include_resumed)
    trials = services.sweeps.ranked(ids, top=top, reverse=reverse, with_metric=discard_no_metric)
    return TrialList(trials=[_row(trial, metrics) for trial in trials])


@router.get("/{run_id}/front")
@allow(Permission.READ_RUNS)
def read_front(
    run_id: str, services: S, caller: Caller, include_resumed: bool = False
) -> TrialList:
    """The Pareto front of the trials, the best by the first metric first."""
    ids, metrics = _asked(services, caller, run_id, include_resumed)
    return TrialList(trials=[_row(trial, metrics) for trial in services.sweeps.front(ids)])


@router.post("/{run_id}/pause")
@allow(Permission.CHANGE_RUNS)
def pause_sweep(run_id: str, services: S) -> SweepView:
    """Start no further trials until the sweep is resumed; running trials go on."""
    run = services.status.get(run_id)
    return _shown(services, run, services.sweeps.pause(run_id))


@router.post("/{run_id}/resume")
@allow(Permission.CHANGE_RUNS)
def resume_sweep(run_id: str, services: S) -> SweepView:
    """Start trials again."""
    run = services.status.get(run_id)
    return _shown(services, run, services.sweeps.resume(run_id))


@router.post("/{run_id}/extend")
@allow(Permission.CHANGE_RUNS, once=True)
def extend_sweep(run_id: str, body: ExtendBody, services: S) -> SweepView:
    """Add trials to the sweep. 409 if it has ended."""
    run = services.status.get(run_id)
    return _shown(services, run, services.sweeps.extend(run_id, body.add))


@router.post("/{run_id}/retry")
@allow(Permission.CHANGE_RUNS, once=True)
def retry_sweep(run_id: str, services: S) -> SweepView:
    """Retry the failed trials. 409 if the sweep has ended."""
    run = services.status.get(run_id)
    return _shown(services, run, services.sweeps.retry(run_id))


@router.post("/{run_id}/again", status_code=status.HTTP_201_CREATED)
@allow(Permission.SUBMIT_RUNS)
def redo_sweep(run_id: str, body: AgainBody, services: S, caller: Caller) -> RunView:
    """Submit a new sweep of the failed trials of a sweep that has ended."""
    run = services.status.get(run_id)
    if not run.terminal:
        raise RunConflict(f"sweep {run_id!r} is not over: its failed trials are tried by /retry")
    return views(services.store, [services.sweeps.retry_as_new_sweep(run_id, body.id, caller)])[0]


def _shown(services: Services, run: Run, sweep: Sweep) -> SweepView:
    counts = services.store.read(lambda tx: tx.runs.children_by_status([run.id]))
    return SweepView(
        id=run.id,
        status=run.shown_status,
        terminal=run.terminal,
        paused=sweep.paused,
        retries=sweep.retries,
        spec=sweep.spec.model_dump(mode="json"),
        trials=counts.get(run.id, {}),
        created_at=moment(run.created_at),
        deadline=moment(sweep.spec.deadline(run.created_at)),
    )


def _asked(
    services: Services, caller: Caller, run_id: str, include_resumed: bool
) -> tuple[list[str], Sequence[Metric]]:
    """The sweeps that are asked for, and the metrics that they go by."""
    spec = services.sweeps.get(run_id).spec
    others = spec.resume_from if include_resumed else ()
    for run in services.status.get_many(others).values():
        caller.require(run)
    return [run_id, *others], spec.metrics


def _row(trial: Trial, metrics: Sequence[Metric]) -> TrialView:
    names = [metric.name for metric in metrics]
    return TrialView(
        number=trial.number,
        run_id=trial.run.id,
        status=trial.run.shown_status,
        hyperparameters=trial.hyperparameters,
        best_primary_metric=trial.best,
        metrics=dict(zip(names, trial.scores, strict=False)),
        logged=trial.logged,
        started_at=moment(trial.run.started_at),
        ended_at=moment(trial.run.ended_at),
    )
