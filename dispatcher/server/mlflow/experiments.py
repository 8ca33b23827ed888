"""Experiments: create, read, change, search."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response

from dispatcher.core.errors import InvalidSpec
from dispatcher.server.deps import Caller, S, Services, identify
from dispatcher.server.mlflow import bodies
from dispatcher.server.mlflow.render import answer, experiment_message, page
from dispatcher.server.mlflow.runs import VIEWS
from dispatcher.services.mlflow.filters import EXPERIMENTS, parse_filter, parse_order

router = APIRouter(prefix="/experiments", dependencies=[Depends(identify)])


@router.post("/create")
def create_experiment(body: bodies.CreateExperiment, services: S) -> Response:
    """Artifacts lie where the service keeps them: another place for them is refused."""
    if body.artifact_location and not body.artifact_location.startswith("mlflow-artifacts:"):
        raise InvalidSpec(
            f"artifact_location: {body.artifact_location[:200]!r}: files are kept by the service; "
            "leave it out"
        )
    tags = {tag.key: tag.value for tag in body.tags}
    made = services.mlflow.experiments.create(body.name, tags)
    return answer({"experiment_id": made.id})


@router.get("/get")
def get_experiment(services: S, experiment_id: Annotated[bodies.Id, Query()]) -> Response:
    found = services.mlflow.experiments.get(experiment_id)
    return answer({"experiment": experiment_message(found)})


@router.get("/get-by-name")
def get_experiment_by_name(
    services: S, experiment_name: Annotated[str, Query(max_length=500)]
) -> Response:
    found = services.mlflow.experiments.named(experiment_name)
    return answer({"experiment": experiment_message(found)})


@router.post("/update")
def rename_experiment(body: bodies.UpdateExperiment, services: S, caller: Caller) -> Response:
    services.mlflow.experiments.change(caller, body.experiment_id, title=body.new_name)
    return answer({})


@router.post("/delete")
def delete_experiment(body: bodies.OfExperiment, services: S, caller: Caller) -> Response:
    """Archive an experiment; its runs stay."""
    services.mlflow.experiments.change(caller, body.experiment_id, deleted=True)
    return answer({})


@router.post("/restore")
def restore_experiment(body: bodies.OfExperiment, services: S, caller: Caller) -> Response:
    services.mlflow.experiments.change(caller, body.experiment_id, deleted=False)
    return answer({})


@router.post("/set-experiment-tag")
def set_experiment_tag(body: bodies.SetExperimentTag, services: S, caller: Caller) -> Response:
    services.mlflow.experiments.change(caller, body.experiment_id, tags={body.key: body.value})
    return answer({})


@router.post("/delete-experiment-tag")
def delete_experiment_tag(
    body: bodies.DeleteExperimentTag, services: S, caller: Caller
) -> Response:
    services.mlflow.experiments.change(caller, body.experiment_id, tags={body.key: None})
    return answer({})


@router.post("/search")
def search_experiments(body: bodies.SearchExperiments, services: S) -> Response:
    """Find experiments by MLflow's filter."""
    return _search(services, body)


@router.get("/search")
def search_experiments_by_query(
    services: S,
    max_results: Annotated[int, Query(ge=0, le=50_000)] = 1000,
    page_token: str = "",
    filter: str = "",
    order_by: Annotated[list[str] | None, Query()] = None,
    view_type: bodies.ViewType = "ACTIVE_ONLY",
) -> Response:
    """The same as a query."""
    fields: dict[str, Any] = {"max_results": max_results, "page_token": page_token}
    fields |= {"filter": filter, "order_by": order_by or [], "view_type": view_type}
    return _search(services, bodies.SearchExperiments(**fields))


def _search(services: Services, asked: bodies.SearchExperiments) -> Response:
    found = services.mlflow.experiments.search(
        VIEWS[asked.view_type],
        parse_filter(asked.filter, EXPERIMENTS),
        parse_order(asked.order_by, EXPERIMENTS),
    )
    shown, token = page(found, asked.page_token, asked.max_results)
    return answer({"experiments": [experiment_message(each) for each in shown], **token})
