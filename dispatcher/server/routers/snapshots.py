"""Snapshots and their contents."""

from fastapi import Request
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from dispatcher.access.permissions import Permission
from dispatcher.server.bodies import Body, read_body
from dispatcher.server.deps import Caller, S
from dispatcher.server.described import BYTES, RAW_BODY, TAR
from dispatcher.server.downloads import attachment
from dispatcher.server.frames import field, frames
from dispatcher.server.guard import allow, guarded_router
from dispatcher.server.views import SnapshotAnswer, SnapshotManifest, StoredBlobs
from dispatcher.services.snapshots import Manifest

router = guarded_router(tags=["snapshots"])


@router.post("/snapshots")
@allow(Permission.UPLOAD_CONTENT, body=Body.BATCH)
def begin_snapshot(body: Manifest, services: S) -> SnapshotAnswer:
    """Announce a snapshot; answers which contents are missing. It is complete when none is."""
    snapshot_id, missing = services.snapshots.begin(body)
    return SnapshotAnswer(id=snapshot_id, missing=missing)


@router.post("/blobs", openapi_extra=RAW_BODY)
@allow(Permission.UPLOAD_CONTENT, body=Body.RAW)
async def upload_blobs(request: Request, services: S) -> StoredBlobs:
    """Store contents, each checked against its hash."""
    body = await read_body(request)

    def work() -> int:
        count = 0
        for header, data in frames(body):
            services.snapshots.put(field(header, "sha256", str), data)
            count += 1
        return count

    return StoredBlobs(stored=await run_in_threadpool(work))


@router.get("/snapshots/{snapshot_id}")
@allow(Permission.READ_SNAPSHOTS)
def read_snapshot(snapshot_id: str, services: S, caller: Caller) -> SnapshotManifest:
    """What a snapshot holds."""
    services.snapshots.require_readable(snapshot_id, caller)
    return SnapshotManifest.model_validate(services.snapshots.manifest(snapshot_id))


@router.get(
    "/snapshots/{snapshot_id}/files/{path:path}", responses=BYTES, response_class=StreamingResponse
)
@allow(Permission.READ_SNAPSHOTS)
def read_snapshot_file(
    snapshot_id: str, path: str, services: S, caller: Caller
) -> StreamingResponse:
    """One file of a snapshot; always as an attachment."""
    services.snapshots.require_readable(snapshot_id, caller)
    size, content = services.snapshots.file(snapshot_id, path)
    return StreamingResponse(
        content,
        media_type="application/octet-stream",
        headers={**attachment(path), "Content-Length": str(size)},
    )


@router.get("/snapshots/{snapshot_id}/archive", responses=TAR, response_class=StreamingResponse)
@allow(Permission.READ_SNAPSHOTS)
def read_archive(snapshot_id: str, services: S, caller: Caller) -> StreamingResponse:
    """The snapshot as an uncompressed tar."""
    services.snapshots.require_readable(snapshot_id, caller)
    services.snapshots.manifest(snapshot_id)  # before the first byte: 404 is still possible
    return StreamingResponse(
        services.snapshots.archive(snapshot_id), media_type="application/x-tar"
    )
