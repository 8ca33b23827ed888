"""Logged models: announce, finish, read, search."""

from typing import Annotated

from fastapi import Query, Response

from dispatcher.access.permissions import Permission
from dispatcher.server.bodies import Body
from dispatcher.server.deps import Caller, S
from dispatcher.server.guard import allow, guarded_router
from dispatcher.server.mlflow import bodies
from dispatcher.server.mlflow.render import answer, model_message, page
from dispatcher.services.mlflow.filters import MODELS, parse_filter, parse_order
from dispatcher.services.mlflow.models import NewModel

router = guarded_router(prefix="/logged-models")


@router.post("")
@allow(Permission.CHANGE_RUNS, body=Body.BATCH, once=True)
def create_model(body: bodies.CreateModel, services: S, caller: Caller) -> Response:
    """Announce a model of a run; the client uploads its files through the proxy."""
    new = NewModel(
        body.name,
        body.source_run_id,
        body.model_type,
        {each.key: each.value for each in body.params},
        {each.key: each.value for each in body.tags},
    )
    return answer({"model": model_message(services.mlflow.models.create(caller, new))})


@router.post("/search")
@allow(Permission.READ_RUNS)
def search_models(body: bodies.SearchModels, services: S, caller: Caller) -> Response:
    orders = [f"{each.field_name} {'ASC' if each.ascending else 'DESC'}" for each in body.order_by]
    models = services.mlflow.models.search(
        caller, body.experiment_ids, parse_filter(body.filter, MODELS), parse_order(orders, MODELS)
    )
    shown, token = page(models, body.page_token, body.max_results)
    return answer({"models": [model_message(each) for each in shown], **token})


@router.get("/{model_id}")
@allow(Permission.READ_RUNS)
def get_model(
    model_id: str,
    services: S,
    caller: Caller,
    allow_deleted: Annotated[bool, Query()] = False,
) -> Response:
    model = services.mlflow.models.get(caller, model_id, deleted=allow_deleted)
    return answer({"model": model_message(model)})


@router.patch("/{model_id}")
@allow(Permission.CHANGE_RUNS)
def finalize_model(
    model_id: str, body: bodies.FinalizeModel, services: S, caller: Caller
) -> Response:
    """Set a model's status: ready, or its files could not be uploaded."""
    model = services.mlflow.models.change(caller, model_id, status=body.status)
    return answer({"model": model_message(model)})


@router.delete("/{model_id}")
@allow(Permission.CHANGE_RUNS)
def delete_model(model_id: str, services: S, caller: Caller) -> Response:
    """Mark a model as deleted; its files stay with the run."""
    services.mlflow.models.change(caller, model_id, deleted=True)
    return answer({})


@router.post("/{model_id}/params")
@allow(Permission.CHANGE_RUNS, body=Body.BATCH)
def log_model_params(
    model_id: str, body: bodies.ModelParams, services: S, caller: Caller
) -> Response:
    params = {each.key: each.value for each in body.params}
    services.mlflow.models.change(caller, model_id, params=params)
    return answer({})


@router.patch("/{model_id}/tags")
@allow(Permission.CHANGE_RUNS, body=Body.BATCH)
def set_model_tags(model_id: str, body: bodies.ModelTags, services: S, caller: Caller) -> Response:
    tags = {each.key: each.value for each in body.tags}
    model = services.mlflow.models.change(caller, model_id, tags=tags)
    return answer({"model": model_message(model)})


@router.delete("/{model_id}/tags/{key}")
@allow(Permission.CHANGE_RUNS)
def delete_model_tag(model_id: str, key: str, services: S, caller: Caller) -> Response:
    services.mlflow.models.change(caller, model_id, tags={key: None})
    return answer({})
