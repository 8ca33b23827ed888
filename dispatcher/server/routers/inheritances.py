"""What runs inherit from their submitters."""

from typing import Annotated

from fastapi import Path, Request, status
from starlette.concurrency import run_in_threadpool

from dispatcher.access.permissions import Permission
from dispatcher.server.bodies import Body, read_body
from dispatcher.server.deps import S
from dispatcher.server.described import RAW_BODY
from dispatcher.server.guard import allow, guarded_router

router = guarded_router(prefix="/inheritances", tags=["runs"])
Sha256 = Annotated[str, Path(pattern="^[0-9a-f]{64}$")]


@router.put("/{sha256}", status_code=status.HTTP_204_NO_CONTENT, openapi_extra=RAW_BODY)
@allow(Permission.SUBMIT_RUNS, body=Body.RAW)
async def keep_inheritance(sha256: Sha256, request: Request, services: S) -> None:
    """Keep what runs inherit; their specs name it by its hash."""
    content = await read_body(request)
    await run_in_threadpool(services.inheritances.keep, sha256, content)
