"""Compute targets and experiments."""

from fastapi import status

from dispatcher.access.permissions import Permission
from dispatcher.core.errors import InvalidSpec
from dispatcher.core.runs.spec import ExperimentName
from dispatcher.server.deps import Caller, S
from dispatcher.server.guard import allow, guarded_router
from dispatcher.server.schemas import ExperimentBody, TargetBody
from dispatcher.server.views import (
    ExperimentDeletion,
    ExperimentList,
    ExperimentView,
    TargetList,
    TargetView,
    moment,
)
from dispatcher.store.registry.contract import Experiment

router = guarded_router(tags=["catalog"])
DELETED_AT_ONCE = 200  # runs with all below them


@router.get("/targets")
@allow(Permission.READ_CATALOG)
def list_targets(services: S) -> TargetList:
    found = services.catalog.targets().values()
    return TargetList(targets=[TargetView.model_validate(each) for each in found])


@router.get("/targets/{name}")
@allow(Permission.READ_CATALOG)
def read_target(name: str, services: S) -> TargetView:
    return TargetView.model_validate(services.catalog.target(name))


@router.put("/targets/{name}")
@allow(Permission.MANAGE_TARGETS)
def attach_target(name: str, body: TargetBody, services: S) -> TargetView:
    """Attach a target, or change one."""
    return TargetView.model_validate(services.catalog.attach(name, body.model_dump()))


@router.delete("/targets/{name}", status_code=status.HTTP_204_NO_CONTENT)
@allow(Permission.MANAGE_TARGETS)
def detach_target(name: str, services: S) -> None:
    """Detach a target; refused while runs are on it."""
    services.catalog.detach(name)


@router.post("/targets/{name}/ping")
@allow(Permission.MANAGE_TARGETS)
def ping_target(name: str, services: S) -> TargetView:
    """Ask the target whether it answers, and for its capacity."""
    return TargetView.model_validate(services.catalog.ping(name))


@router.post("/targets/{name}/clear")
@allow(Permission.MANAGE_TARGETS)
def clear_target(name: str, services: S) -> TargetView:
    """End the target's orphan jobs: no run accounts for them."""
    return TargetView.model_validate(services.catalog.clear(name))


@router.post("/experiments/{name}")
@allow(Permission.CREATE_EXPERIMENTS)
def make_experiment(name: str, services: S) -> ExperimentView:
    """Get or create."""
    return _view(services.catalog.experiment(_checked(name)))


@router.get("/experiments")
@allow(Permission.READ_CATALOG)
def list_experiments(services: S) -> ExperimentList:
    return ExperimentList(experiments=[_view(each) for each in services.catalog.experiments()])


@router.patch("/experiments/{name}")
@allow(Permission.CHANGE_EXPERIMENTS)
def change_experiment(name: str, body: ExperimentBody, services: S) -> ExperimentView:
    """Change tags; archive or restore."""
    changed = services.catalog.change_experiment(name, body.tags, body.remove_tags, body.archived)
    return _view(changed)


@router.delete("/experiments/{name}")
@allow(Permission.DELETE_RUNS)
def delete_experiment(
    name: str, services: S, caller: Caller, with_runs: bool = False
) -> ExperimentDeletion:
    """Delete an experiment; `with_runs` deletes its runs for good, of many some in each call."""
    is_gone = services.deletion.delete_experiment(
        name, caller, with_runs=with_runs, limit=DELETED_AT_ONCE
    )
    return ExperimentDeletion(complete=is_gone)


def _view(experiment: Experiment) -> ExperimentView:
    return ExperimentView(
        id=experiment.id,
        name=experiment.name,
        created_at=moment(experiment.created_at),
        tags=dict(experiment.tags),
        archived_at=moment(experiment.archived_at),
    )


def _checked(name: str) -> str:
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(ExperimentName).validate_python(name)
    except ValidationError as error:
        raise InvalidSpec(f"experiment {name!r}: {error.errors()[0]['msg']}") from error
