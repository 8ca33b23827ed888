"""Runs and their metrics: start, read, end, search."""

from typing import Annotated

from fastapi import Query, Response

from dispatcher.access.permissions import Permission
from dispatcher.core.errors import InvalidSpec
from dispatcher.server.deps import Caller, S
from dispatcher.server.guard import allow, guarded_router
from dispatcher.server.mlflow import bodies
from dispatcher.server.mlflow.render import (
    answer,
    history,
    info,
    next_token,
    offset_of,
    run_message,
    run_uri,
    sample_message,
    token_of,
)
from dispatcher.services.mlflow.filters import parse_filter, parse_order
from dispatcher.services.mlflow.runs import NewRun
from dispatcher.store.runs.contract import RunSearch, View

router = guarded_router()
VIEWS: dict[str, View] = {"ACTIVE_ONLY": "active", "DELETED_ONLY": "deleted", "ALL": "all"}
Id = Annotated[bodies.Id | None, Query()]
MAX_PAGE = 1_000_000


@router.post("/runs/create")
@allow(Permission.SUBMIT_RUNS, once=True)
def create_run(body: bodies.CreateRun, services: S, caller: Caller) -> Response:
    """Start a run that its client drives; one that a run starts is below that run."""
    tags = {tag.key: tag.value for tag in body.tags}
    new = NewRun(body.experiment_id, body.run_name, body.start_time, body.user_id, tags)
    return answer({"run": run_message(services.mlflow.runs.create(caller, new))})


@router.get("/runs/get")
@allow(Permission.READ_RUNS)
def get_run(services: S, caller: Caller, run_id: Id = None, run_uuid: Id = None) -> Response:
    seen = services.mlflow.runs.get(caller, _named(run_id, run_uuid))
    return answer({"run": run_message(seen)})


@router.post("/runs/update")
@allow(Permission.CHANGE_RUNS)
def update_run(body: bodies.UpdateRun, services: S, caller: Caller) -> Response:
    """End or rename a run. One with a job goes on until its process ends."""
    seen = services.mlflow.runs.update(
        caller, body.run, status=body.status, ended_ms=body.end_time, name=body.run_name
    )
    return answer({"run_info": info(seen)})


@router.post("/runs/delete")
@allow(Permission.CHANGE_RUNS)
def delete_run(body: bodies.OfRun, services: S, caller: Caller) -> Response:
    """Mark a run as deleted in MLflow's view."""
    services.mlflow.runs.mark(caller, body.run, deleted=True)
    return answer({})


@router.post("/runs/restore")
@allow(Permission.CHANGE_RUNS)
def restore_run(body: bodies.OfRun, services: S, caller: Caller) -> Response:
    services.mlflow.runs.mark(caller, body.run, deleted=False)
    return answer({})


@router.post("/runs/search")
@allow(Permission.READ_RUNS)
def search_runs(body: bodies.SearchRuns, services: S, caller: Caller) -> Response:
    """Find runs by MLflow's filter, in its order, page by page."""
    start, size = offset_of(body.page_token), body.max_results
    search = RunSearch(
        view=VIEWS[body.run_view_type],
        clauses=parse_filter(body.filter),
        order=parse_order(body.order_by),
        limit=size + 1,
        offset=start,
    )
    found = services.mlflow.runs.search(caller, body.experiment_ids, search)
    messages = [run_message(seen) for seen in found[:size]]
    return answer({"runs": messages, **next_token(start, size, len(found) > size)})


@router.get("/metrics/get-history")
@allow(Permission.READ_RUNS)
def get_history(
    services: S,
    caller: Caller,
    metric_key: Annotated[bodies.Key, Query()],
    run_id: Id = None,
    run_uuid: Id = None,
    page_token: str = "",
    max_results: Annotated[int | None, Query(ge=1, le=MAX_PAGE)] = None,
) -> Response:
    """All numbers of a metric in logging order, or a page of them."""
    after = offset_of(page_token)
    found = services.mlflow.runs.history(
        caller, _named(run_id, run_uuid), metric_key, after, max_results
    )
    whole = max_results is None or len(found) < max_results
    return history(metric_key, found, None if whole else token_of(found[-1][0]))


@router.get("/metrics/get-history-bulk-interval")
@allow(Permission.READ_RUNS)
def get_history_bulk(
    services: S,
    caller: Caller,
    run_ids: Annotated[list[bodies.Id], Query(max_length=100)],
    metric_key: Annotated[bodies.Key, Query()],
    start_step: Annotated[bodies.Step | None, Query()] = None,
    end_step: Annotated[bodies.Step | None, Query()] = None,
    max_results: Annotated[int, Query(ge=1, le=2500)] = 2500,
) -> Response:
    """Numbers of a metric of several runs, between two steps, evenly thinned out to a number."""
    messages = []
    for run_id in run_ids:
        found = services.mlflow.runs.history(caller, run_id, metric_key, 0, None)
        fit = [
            sample
            for sample in sorted(found, key=lambda each: (each[3], each[2] or 0.0))
            if start_step is None or sample[3] >= start_step
            if end_step is None or sample[3] <= end_step
        ]
        each = max(1, -(-len(fit) // max_results))
        kept = fit[::each] + ([fit[-1]] if fit and (len(fit) - 1) % each else [])
        messages += [sample_message(run_id, metric_key, sample) for sample in kept]
    return answer({"metrics": messages})


@router.get("/artifacts/list")
@allow(Permission.READ_RUNS)
def list_artifacts(
    services: S, caller: Caller, run_id: Id = None, run_uuid: Id = None, path: str = ""
) -> Response:
    """What lies directly below a folder of a run."""
    seen = services.mlflow.runs.get(caller, _named(run_id, run_uuid))
    place = services.mlflow.artifacts.of_run(caller, seen.run.id, path)
    below = f"{place.name}/" if place.name else ""
    files = [
        {"path": f"{below}{each.name}", "is_dir": each.size is None}
        | ({} if each.size is None else {"file_size": each.size})
        for each in services.mlflow.artifacts.list(place)
    ]
    return answer({"root_uri": run_uri(seen), "files": files})


def _named(run_id: str | None, run_uuid: str | None) -> str:
    name = run_id or run_uuid
    if not name:
        raise InvalidSpec("run_id is needed")
    return name
