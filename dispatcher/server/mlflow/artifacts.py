"""The artifact proxy: files of runs by MLflow's paths.

The service writes an upload to disk while it arrives, so only the disk limits its size.
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
WRITE_BYTES = 1 << 20
_SAFE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Content-Disposition": "attachment",
}


@router.get("/artifacts")
@allow(Permission.READ_RUNS)
def list_files(services: S, caller: Caller, path: Annotated[str, Query()] = "") -> Response:
    """The files and folders directly below a folder."""
    artifact_path = services.mlflow.artifacts.resolve(caller, path)
    files = [
        {"path": each.name, "is_dir": each.size is None}
        | ({} if each.size is None else {"file_size": each.size})
        for each in services.mlflow.artifacts.list(artifact_path)
    ]
    return answer({"files": files})


@router.get("/artifacts/{path:path}", responses=BYTES, response_class=StreamingResponse)
@allow(Permission.READ_RUNS)
def download_file(path: str, services: S, caller: Caller) -> StreamingResponse:
    artifact_path = services.mlflow.artifacts.resolve(caller, path)
    artifact = services.mlflow.artifacts.find(artifact_path)
    return StreamingResponse(
        services.mlflow.artifacts.read(artifact),
        media_type="application/octet-stream",
        headers={**_SAFE_HEADERS, "Content-Length": str(artifact.size)},
    )


@router.put("/artifacts/{path:path}", openapi_extra=RAW_BODY)
@allow(Permission.WRITE_FILES, body=Body.FILE)
async def upload_file(path: str, request: Request, services: S, caller: Caller) -> Response:
    """Write a file; a file of the same name is replaced."""
    files = services.mlflow.artifacts
    artifact_path = await run_in_threadpool(files.resolve, caller, path)
    with files.incoming() as incoming:
        buffer = bytearray()
        async for chunk in request.stream():
            buffer += chunk
            if len(buffer) >= WRITE_BYTES:
                await run_in_threadpool(incoming.write, bytes(buffer))
                buffer.clear()
        await run_in_threadpool(incoming.write, bytes(buffer))
        await run_in_threadpool(files.record, artifact_path, incoming)
    return answer({})


@router.delete("/artifacts/{path:path}")
@allow(Permission.WRITE_FILES)
def delete_file(path: str, services: S, caller: Caller) -> Response:
    """Delete a file, or all files below a folder."""
    services.mlflow.artifacts.remove(services.mlflow.artifacts.resolve(caller, path))
    return answer({})


@router.post("/mpu/{step}/{path:path}", include_in_schema=False)
@allow(Permission.WRITE_FILES)
def no_multipart() -> Response:
    """Not supported; clients fall back to an upload in one request, of any size."""
    raise HTTPException(501, "multipart uploads are not supported: use one request, of any size")


@router.get("/presigned/{path:path}", include_in_schema=False)
@allow(Permission.READ_RUNS)
def no_presigned() -> Response:
    """Not supported; clients fall back to a download through the proxy."""
    raise HTTPException(501, "presigned downloads are not supported: use the proxy")
