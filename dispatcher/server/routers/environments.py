"""Registered environments."""

from typing import Annotated

from fastapi import Path, Query, status

from dispatcher.access.permissions import Permission
from dispatcher.server.bodies import Body
from dispatcher.server.deps import Caller, S
from dispatcher.server.guard import allow, guarded_router
from dispatcher.server.schemas import EnvironmentBody
from dispatcher.server.views import EnvironmentList, EnvironmentView, moment
from dispatcher.store.environments.contract import RegisteredEnvironment

router = guarded_router(tags=["environments"])
Version = Annotated[int, Path(ge=1, le=2**31 - 1)]


@router.post("/environments", status_code=status.HTTP_201_CREATED)
@allow(Permission.REGISTER_ENVIRONMENTS, body=Body.BATCH)
def register_environment(body: EnvironmentBody, services: S, caller: Caller) -> EnvironmentView:
    """Register a version of an environment; an unchanged one keeps its version."""
    return _view(services.environments.register(body.name, body.definition, caller))


@router.get("/environments")
@allow(Permission.READ_CATALOG)
def list_environments(
    services: S, name: Annotated[str | None, Query(max_length=256)] = None
) -> EnvironmentList:
    """The latest version of each, or all versions of one, the latest first."""
    service = services.environments
    found = service.latest() if name is None else service.versions(name)
    return EnvironmentList(environments=[_view(each) for each in found])


@router.get("/environments/{name}")
@allow(Permission.READ_CATALOG)
def read_environment(name: str, services: S) -> EnvironmentView:
    """The latest version."""
    return _view(services.environments.get(name))


@router.get("/environments/{name}/versions/{version}")
@allow(Permission.READ_CATALOG)
def read_version(name: str, version: Version, services: S) -> EnvironmentView:
    return _view(services.environments.get(name, version))


def _view(environment: RegisteredEnvironment) -> EnvironmentView:
    return EnvironmentView(
        name=environment.name,
        version=str(environment.version),
        created_at=moment(environment.created_at),
        registered_by=environment.registered_by,
        counts_as_latest=environment.moves_latest,
        definition=dict(environment.definition),
    )
