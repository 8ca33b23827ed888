"""What handlers are given: the services, and who is calling."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.concurrency import run_in_threadpool

from dispatcher.core.errors import DispatcherError, NotAllowed
from dispatcher.core.lifecycle import Run
from dispatcher.services.access import AccessService, Identity
from dispatcher.services.artifacts import ArtifactService
from dispatcher.services.catalog import Catalog
from dispatcher.services.environments import EnvironmentService
from dispatcher.services.explaining import ExplainService
from dispatcher.services.mlflow.house import Mlflow
from dispatcher.services.models import ModelService
from dispatcher.services.parking import ParkingService
from dispatcher.services.snapshots import SnapshotService
from dispatcher.services.status import StatusService
from dispatcher.services.submission import SubmissionService
from dispatcher.services.sweeps import SweepService
from dispatcher.services.tracking import TrackingService
from dispatcher.services.waiters import Waiters
from dispatcher.store.contract import Store


@dataclass(frozen=True)
class Services:
    """All that handlers may call."""

    store: Store
    access: AccessService
    status: StatusService
    submission: SubmissionService
    sweeps: SweepService
    tracking: TrackingService
    snapshots: SnapshotService
    artifacts: ArtifactService
    models: ModelService
    catalog: Catalog
    environments: EnvironmentService
    parking: ParkingService
    explaining: ExplainService
    waiters: Waiters
    mlflow: Mlflow
    service_id: str
    version: str


class Unauthenticated(DispatcherError):
    """No token, or not a valid one."""


_bearer = HTTPBearer(auto_error=False)


async def services(request: Request) -> Services:
    found: Services = request.app.state.services
    return found


S = Annotated[Services, Depends(services)]


async def identify(
    services: S, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> Identity:
    if credentials is None:
        raise Unauthenticated("this call needs a token: Authorization: Bearer …")
    token = credentials.credentials
    if services.access.is_owner(token):  # without a look at the store, and so without a thread
        return Identity("owner")
    try:
        return await run_in_threadpool(services.access.identify, token)
    except NotAllowed as error:
        raise Unauthenticated(str(error)) from error


Caller = Annotated[Identity, Depends(identify)]


async def owner(caller: Caller) -> Identity:
    """Only the owner's token reaches this call."""
    if caller.kind != "owner":
        raise NotAllowed("this call needs the owner's token")
    return caller


def reach(services: Services, caller: Identity, run_id: str) -> Run:
    """The run, if the caller may touch it. Raises RunNotFound, NotAllowed."""
    run = services.status.get(run_id)
    if not caller.may_touch(run):
        raise NotAllowed(f"this token does not reach run {run_id}: a run reaches itself and below")
    return run
