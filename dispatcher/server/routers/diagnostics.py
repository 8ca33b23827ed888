"""What is wrong with the service, for `dispatcher doctor`."""

from pydantic import BaseModel

from dispatcher.access.permissions import Permission
from dispatcher.core.errors import StoreUnavailable
from dispatcher.server.deps import S
from dispatcher.server.guard import allow, guarded_router

router = guarded_router(tags=["diagnostics"])


class ParkedRun(BaseModel):
    """A run that the engine leaves alone, because what is to be done for it fails."""

    run: str
    reason: str


class Diagnostics(BaseModel):
    """Faults of the service.

    `store`: why writes cannot be taken; null when they can. `drives_runs`: whether this process
    holds the engine's lease.
    """

    store: str | None
    drives_runs: bool
    parked_runs: list[ParkedRun]


@router.get("/diagnostics")
@allow(Permission.READ_CATALOG)
def read_diagnostics(services: S) -> Diagnostics:
    """Say what is wrong with the service."""
    try:
        services.store.check()
        fault = None
    except StoreUnavailable as error:
        fault = str(error)
    return Diagnostics(
        store=fault,
        drives_runs=services.engine.fence is not None,
        parked_runs=[
            ParkedRun(run=run_id, reason=reason)
            for run_id, reason in sorted(services.engine.parked.items())
        ],
    )
