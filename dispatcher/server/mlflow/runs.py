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
    """Start an interactive run; a run that a run starts is its child."""
    tags = {tag.key: tag.value for tag in body.tags}
    new = NewRun(body.experiment_id, body.run_name, body.start_time, body.user_id, tags)
    return answer({"run": run_message(services.mlflow.runs.create(caller, new))})


@router.get("/runs/get")
@allow(Permission.READ_RUNS)
def get_run(services: S, caller: Caller, run_id: Id = None, run_uuid: Id = None) -> Response:
    mlflow_run = services.mlflow.runs.get(caller, _require_id(run_id, run_uuid))
    return answer({"run": run_message(mlflow_run)})


@router.post("/runs/update")
@allow(Permission.CHANGE_RUNS)
def update_run(body: bodies.UpdateRun, services: S, caller: Caller) -> Response:
    """End or rename a run. A run with a job continues until its process ends."""
    mlflow_run = services.mlflow.runs.update(
        caller, body.run, status=body.status, ended_ms=body.end_time, name=body.run_name
    )
    return answer({"run_info": info(mlflow_run)})


@router.post("/runs/delete")
@allow(Permission.CHANGE_RUNS)
def delete_run(body: bodies.RunMessage, services: S, caller: Caller) -> Response:
    """Mark a run as deleted in MLflow's view."""
    services.mlflow.runs.set_deleted(caller, body.run, deleted=True)
    return answer({})


@router.post("/runs/restore")
@allow(Permission.CHANGE_RUNS)
def restore_run(body: bodies.RunMessage, services: S, caller: Caller) -> Response:
    services.mlflow.runs.set_deleted(caller, body.run, deleted=False)
    return answer({})


@router.post("/runs/search")
@allow(Permission.READ_RUNS)
def search_runs(body: bodies.SearchRuns, services: S, caller: Caller) -> Response:
    """Find runs by MLflow's filter and order, one page at a time."""
    start, size = offset_of(body.page_token), body.max_results
    search = RunSearch(
        view=VIEWS[body.run_view_type],
        clauses=parse_filter(body.filter),
        order=parse_order(body.order_by),
        limit=size + 1,
        offset=start,
    )
    runs = services.mlflow.runs.search(caller, body.experiment_ids, search)
    messages = [run_message(each) for each in runs[:size]]
    return answer({"runs": messages, **next_token(start, size, len(runs) > size)})


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
    """The samples of a metric in logging order, all or one page."""
    after = offset_of(page_token)
    samples = services.mlflow.runs.history(
        caller, _require_id(run_id, run_uuid), metric_key, after, max_results
    )
    is_last = max_results is None or len(samples) < max_results
    return history(metric_key, samples, None if is_last else token_of(samples[-1][0]))


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
    """Samples of a metric of several runs between two steps; evenly thinned out if many."""
    messages = []
    for run_id in run_ids:
        samples = services.mlflow.runs.history(caller, run_id, metric_key, 0, None)
        between = [
            sample
            for sample in sorted(samples, key=lambda each: (each[3], each[2] or 0.0))
            if start_step is None or sample[3] >= start_step
            if end_step is None or sample[3] <= end_step
        ]
        stride = max(1, -(-len(between) // max_results))
        last = [between[-1]] if between and (len(between) - 1) % stride else []
        thinned = between[::stride] + last
        messages += [sample_message(run_id, metric_key, sample) for sample in thinned]
    return answer({"metrics": messages})


@router.get("/artifacts/list")
@allow(Permission.READ_RUNS)
def list_artifacts(
    services: S, caller: Caller, run_id: Id = None, run_uuid: Id = None, path: str = ""
) -> Response:
    """The files and folders directly below a folder of a run."""
    mlflow_run = services.mlflow.runs.get(caller, _require_id(run_id, run_uuid))
    folder = services.mlflow.artifacts.below_run(caller, mlflow_run.run.id, path)
    prefix = f"{folder.name}/" if folder.name else ""
    files = [
        {"path": f"{prefix}{each.name}", "is_dir": each.size is None}
        | ({} if each.size is None else {"file_size": each.size})
        for each in services.mlflow.artifacts.list(folder)
    ]
    return answer({"root_uri": run_uri(mlflow_run), "files": files})


def _require_id(run_id: str | None, run_uuid: str | None) -> str:
    name = run_id or run_uuid
    if not name:
        raise InvalidSpec("run_id is missing")
    return name
