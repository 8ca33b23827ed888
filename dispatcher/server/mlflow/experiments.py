"""Experiments: create, read, change, search."""

from typing import Annotated, Any

from fastapi import Query, Response

from dispatcher.access.permissions import Permission
from dispatcher.core.errors import InvalidSpec
from dispatcher.server.deps import S
from dispatcher.server.guard import allow, guarded_router
from dispatcher.server.mlflow import bodies
from dispatcher.server.mlflow.render import answer, experiment_message, page
from dispatcher.server.mlflow.runs import VIEWS
from dispatcher.server.services import Services
from dispatcher.services.mlflow.filters import EXPERIMENTS, parse_filter, parse_order

router = guarded_router(prefix="/experiments")


@router.post("/create")
@allow(Permission.CREATE_EXPERIMENTS, once=True)
def create_experiment(body: bodies.CreateExperiment, services: S) -> Response:
    """Create an experiment. Another artifact location than the service's own is refused."""
    if body.artifact_location and not body.artifact_location.startswith("mlflow-artifacts:"):
        raise InvalidSpec(
            f"artifact_location: {body.artifact_location[:200]!r}: the service stores the "
            "artifacts; leave the field out"
        )
    tags = {tag.key: tag.value for tag in body.tags}
    experiment = services.mlflow.experiments.create(body.name, tags)
    return answer({"experiment_id": experiment.id})


@router.get("/get")
@allow(Permission.READ_CATALOG)
def get_experiment(services: S, experiment_id: Annotated[bodies.Id, Query()]) -> Response:
    experiment = services.mlflow.experiments.get(experiment_id)
    return answer({"experiment": experiment_message(experiment)})


@router.get("/get-by-name")
@allow(Permission.READ_CATALOG)
def get_experiment_by_name(
    services: S, experiment_name: Annotated[str, Query(max_length=500)]
) -> Response:
    experiment = services.mlflow.experiments.by_title(experiment_name)
    return answer({"experiment": experiment_message(experiment)})


@router.post("/update")
@allow(Permission.CHANGE_EXPERIMENTS)
def rename_experiment(body: bodies.UpdateExperiment, services: S) -> Response:
    services.mlflow.experiments.change(body.experiment_id, title=body.new_name)
    return answer({})


@router.post("/delete")
@allow(Permission.CHANGE_EXPERIMENTS)
def delete_experiment(body: bodies.ExperimentMessage, services: S) -> Response:
    """Archive an experiment; its runs stay."""
    services.mlflow.experiments.change(body.experiment_id, deleted=True)
    return answer({})


@router.post("/restore")
@allow(Permission.CHANGE_EXPERIMENTS)
def restore_experiment(body: bodies.ExperimentMessage, services: S) -> Response:
    services.mlflow.experiments.change(body.experiment_id, deleted=False)
    return answer({})


@router.post("/set-experiment-tag")
@allow(Permission.CHANGE_EXPERIMENTS)
def set_experiment_tag(body: bodies.SetExperimentTag, services: S) -> Response:
    services.mlflow.experiments.change(body.experiment_id, tags={body.key: body.value})
    return answer({})


@router.post("/delete-experiment-tag")
@allow(Permission.CHANGE_EXPERIMENTS)
def delete_experiment_tag(body: bodies.DeleteExperimentTag, services: S) -> Response:
    services.mlflow.experiments.change(body.experiment_id, tags={body.key: None})
    return answer({})


@router.post("/search")
@allow(Permission.READ_CATALOG)
def search_experiments(body: bodies.SearchExperiments, services: S) -> Response:
    """Find experiments by MLflow's filter."""
    return _search(services, body)


@router.get("/search")
@allow(Permission.READ_CATALOG)
def search_experiments_by_query(
    services: S,
    max_results: Annotated[int, Query(ge=0, le=50_000)] = 1000,
    page_token: str = "",
    filter: str = "",
    order_by: Annotated[list[str] | None, Query()] = None,
    view_type: bodies.ViewType = "ACTIVE_ONLY",
) -> Response:
    """Find experiments, with the fields as query parameters."""
    fields: dict[str, Any] = {"max_results": max_results, "page_token": page_token}
    fields |= {"filter": filter, "order_by": order_by or [], "view_type": view_type}
    return _search(services, bodies.SearchExperiments(**fields))


def _search(services: Services, body: bodies.SearchExperiments) -> Response:
    experiments = services.mlflow.experiments.search(
        VIEWS[body.view_type],
        parse_filter(body.filter, EXPERIMENTS),
        parse_order(body.order_by, EXPERIMENTS),
    )
    shown, token = page(experiments, body.page_token, body.max_results)
    return answer({"experiments": [experiment_message(each) for each in shown], **token})
