"""Logging to runs: metrics, params, tags, data sets, models."""

import json

from fastapi import Response

from dispatcher.access.permissions import Permission
from dispatcher.core.errors import InvalidSpec
from dispatcher.server.bodies import Body
from dispatcher.server.deps import Caller, S
from dispatcher.server.guard import allow, guarded_router
from dispatcher.server.mlflow import bodies
from dispatcher.server.mlflow.render import answer
from dispatcher.store.documents.contract import RunDocument

router = guarded_router(prefix="/runs")


@router.post("/log-batch")
@allow(Permission.CHANGE_RUNS, body=Body.BATCH, once=True)
def log_batch(body: bodies.LogBatch, services: S, caller: Caller) -> Response:
    """Log metrics, params and tags in one transaction."""
    services.mlflow.runs.log(
        caller,
        body.run,
        metrics=[(m.key, m.value, m.timestamp / 1000, m.step) for m in body.metrics],
        params=_params(body.params),
        tags={tag.key: tag.value for tag in body.tags},
    )
    return answer({})


@router.post("/log-metric")
@allow(Permission.CHANGE_RUNS, once=True)
def log_metric(body: bodies.LogMetric, services: S, caller: Caller) -> Response:
    metric = (body.key, body.value, body.timestamp / 1000, body.step)
    services.mlflow.runs.log(caller, body.run, metrics=[metric])
    return answer({})


@router.post("/log-parameter")
@allow(Permission.CHANGE_RUNS)
def log_param(body: bodies.LogParam, services: S, caller: Caller) -> Response:
    """Log a param. A second value for it is refused."""
    services.mlflow.runs.log(caller, body.run, params={body.key: body.value})
    return answer({})


@router.post("/set-tag")
@allow(Permission.CHANGE_RUNS)
def set_tag(body: bodies.SetTag, services: S, caller: Caller) -> Response:
    services.mlflow.runs.log(caller, body.run, tags={body.key: body.value})
    return answer({})


@router.post("/delete-tag")
@allow(Permission.CHANGE_RUNS)
def delete_tag(body: bodies.DeleteTag, services: S, caller: Caller) -> Response:
    services.mlflow.runs.delete_tag(caller, body.run, body.key)
    return answer({})


@router.post("/log-inputs")
@allow(Permission.CHANGE_RUNS, body=Body.BATCH)
def log_inputs(body: bodies.LogInputs, services: S, caller: Caller) -> Response:
    """Record the data sets and models that a run read."""
    documents = [_dataset(body.run, each) for each in body.datasets]
    documents += [RunDocument("input", body.run, each.model_id, {}) for each in body.models]
    services.mlflow.runs.add_documents(caller, body.run, documents)
    return answer({})


@router.post("/outputs")
@allow(Permission.CHANGE_RUNS)
def log_outputs(body: bodies.LogOutputs, services: S, caller: Caller) -> Response:
    """Record the models that a run created."""
    documents = [
        RunDocument("output", body.run, each.model_id, {"step": each.step}) for each in body.models
    ]
    services.mlflow.runs.add_documents(caller, body.run, documents)
    return answer({})


@router.post("/log-model")
@allow(Permission.CHANGE_RUNS, body=Body.BATCH)
def log_model(body: bodies.LogModel, services: S, caller: Caller) -> Response:
    """Record an MLmodel, as clients before MLflow 3 do."""
    try:
        model = json.loads(body.model_json)
    except (ValueError, RecursionError) as error:
        raise InvalidSpec(f"model_json: is not JSON: {error}") from error
    if not isinstance(model, dict):
        raise InvalidSpec("model_json: is not JSON object")
    key = str(model.get("model_uuid") or model.get("artifact_path") or "")[:256]
    services.mlflow.runs.add_documents(
        caller, body.run, [RunDocument("mlmodel", body.run, key, model)]
    )
    return answer({})


def _params(pairs: list[bodies.ParamPair]) -> dict[str, str]:
    params = {each.key: each.value for each in pairs}
    for each in pairs:
        if params[each.key] != each.value:
            raise InvalidSpec(f"params: {each.key!r} has two different values")
    return params


def _dataset(run_id: str, body: bodies.DatasetInput) -> RunDocument:
    dataset = body.dataset
    tags = {tag.key: tag.value for tag in body.tags}
    return RunDocument(
        "dataset",
        run_id,
        f"{dataset.digest}:{dataset.name}",
        {
            "tags": [tag.model_dump() for tag in body.tags],
            "dataset": dataset.model_dump(by_alias=True, exclude_none=True),
        },
        name=dataset.name,
        digest=dataset.digest,
        context=tags.get("mlflow.data.context", ""),
    )
