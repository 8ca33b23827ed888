"""The artifact proxy: files of runs by MLflow's paths.

An upload goes to disk as it comes, so its size is bounded by the disk alone.
"""

from typing import Annotated

from fastapi import HTTPException, Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from dispatcher.access.permissions import Permission
from dispatcher.server.bodies import Body
from dispatcher.server.deps import Caller, S
from dispatcher.server.described import BYTES, RAW_BODY
from dispatcher.server.guard import allow, guarded_router
from dispatcher.server.mlflow.render import answer

router = guarded_router(prefix="/api/2.0/mlflow-artifacts")
PIECE = 1 << 20
_SAFE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Content-Disposition": "attachment",
}


@router.get("/artifacts")
@allow(Permission.READ_RUNS)
def list_files(services: S, caller: Caller, path: Annotated[str, Query()] = "") -> Response:
    """What lies directly below a folder."""
    place = services.mlflow.artifacts.place(caller, path)
    files = [
        {"path": each.name, "is_dir": each.size is None}
        | ({} if each.size is None else {"file_size": each.size})
        for each in services.mlflow.artifacts.list(place)
    ]
    return answer({"files": files})


@router.get("/artifacts/{path:path}", responses=BYTES, response_class=StreamingResponse)
@allow(Permission.READ_RUNS)
def download_file(path: str, services: S, caller: Caller) -> StreamingResponse:
    place = services.mlflow.artifacts.place(caller, path)
    artifact = services.mlflow.artifacts.find(place)
    return StreamingResponse(
        services.mlflow.artifacts.read(artifact),
        media_type="application/octet-stream",
        headers={**_SAFE_HEADERS, "Content-Length": str(artifact.size)},
    )


@router.put("/artifacts/{path:path}", openapi_extra=RAW_BODY)
@allow(Permission.WRITE_FILES, body=Body.FILE)
async def upload_file(path: str, request: Request, services: S, caller: Caller) -> Response:
    """Write a file, in place of one of its name."""
    files = services.mlflow.artifacts
    place = await run_in_threadpool(files.place, caller, path)
    with files.incoming() as incoming:
        held = bytearray()
        async for chunk in request.stream():
            held += chunk
            if len(held) >= PIECE:
                await run_in_threadpool(incoming.write, bytes(held))
                held.clear()
        await run_in_threadpool(incoming.write, bytes(held))
        await run_in_threadpool(files.keep, place, incoming)
    return answer({})


@router.delete("/artifacts/{path:path}")
@allow(Permission.WRITE_FILES)
def delete_file(path: str, services: S, caller: Caller) -> Response:
    """Delete a file, or all files below a folder."""
    services.mlflow.artifacts.remove(services.mlflow.artifacts.place(caller, path))
    return answer({})


@router.post("/mpu/{step}/{path:path}", include_in_schema=False)
@allow(Permission.WRITE_FILES)
def no_multipart() -> Response:
    """Clients fall back to an upload in one piece, which may be as large as the disk."""
    raise HTTPException(501, "multipart uploads: upload the file in one piece, of any size")


@router.get("/presigned/{path:path}", include_in_schema=False)
@allow(Permission.READ_RUNS)
def no_presigned() -> Response:
    """Clients fall back to a download through the proxy."""
    raise HTTPException(501, "presigned downloads: download the file through the proxy")
