"""Files of runs: register, list, download; contents in parts."""

import re
from typing import Annotated

from fastapi import Header, Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from dispatcher.access.permissions import Permission
from dispatcher.core.runs.spec import Digest
from dispatcher.server.bodies import Body, read_body
from dispatcher.server.deps import Caller, S
from dispatcher.server.described import RANGES, RAW_BODY
from dispatcher.server.downloads import attachment
from dispatcher.server.guard import allow, guarded_router
from dispatcher.server.schemas import ModelBody, Strict
from dispatcher.server.views import (
    ArtifactPage,
    ArtifactView,
    ModelList,
    ModelView,
    PartAnswer,
    Registration,
    moment,
)
from dispatcher.services.artifacts import MAX_AT_ONCE, ArtifactEntry
from dispatcher.store.artifacts.contract import Artifact

router = guarded_router(tags=["artifacts"])
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


class EntryBody(Strict):
    name: Annotated[str, Field(max_length=4096)]
    sha256: Digest
    size: Annotated[int, Field(ge=0, lt=1 << 50)]


class RegisterBody(Strict):
    artifacts: Annotated[list[EntryBody], Field(min_length=1, max_length=MAX_AT_ONCE)]
    attempt: Annotated[int, Field(ge=1, le=1 << 30)] | None = None


@router.put("/blobs/{sha256}/parts", openapi_extra=RAW_BODY)
@allow(Permission.UPLOAD_CONTENT, body=Body.RAW)
async def upload_part(
    sha256: Annotated[Digest, Path()],
    request: Request,
    services: S,
    caller: Caller,
    size: Annotated[int, Query(ge=0, lt=1 << 50)],
    offset: Annotated[int, Query(ge=0, lt=1 << 50)],
) -> PartAnswer:
    """Take a part of a content; answers how much of it is held. Without bytes it only answers."""
    data, sender = await read_body(request), caller.principal.actor
    held = await run_in_threadpool(services.artifacts.part, sender, sha256, size, offset, data)
    return PartAnswer(held=held, complete=held == size)


@router.post("/runs/{run_id}/artifacts")
@allow(Permission.WRITE_FILES, body=Body.BATCH)
def register_artifacts(run_id: str, body: RegisterBody, services: S) -> Registration:
    """Register files of a run, all or none; answers which contents must be uploaded first."""
    run = services.status.get(run_id)
    entries = [ArtifactEntry(each.name, each.sha256, each.size) for each in body.artifacts]
    missing = services.artifacts.register(run, body.attempt or run.attempt, entries)
    return Registration(missing=missing, registered=0 if missing else len(entries))


@router.get("/runs/{run_id}/artifacts")
@allow(Permission.READ_RUNS)
def list_artifacts(
    run_id: str,
    services: S,
    prefix: Annotated[str, Query(max_length=4096)] = "",
    after: Annotated[str, Query(max_length=4096)] = "",
    limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
) -> ArtifactPage:
    """List files by name, page by page: the next one is `after` the last name.

    Of a deleted run these are the files of its registered models.
    """
    if not services.artifacts.has_kept(run_id):
        services.status.get(run_id)
    found = services.artifacts.page(run_id, prefix, after, limit)
    following = found[-1].name if len(found) == limit else None
    return ArtifactPage(artifacts=[_view(artifact) for artifact in found], next=following)


@router.get(
    "/runs/{run_id}/artifacts/{name:path}", responses=RANGES, response_class=StreamingResponse
)
@allow(Permission.READ_RUNS)
def download_artifact(
    run_id: str,
    name: str,
    services: S,
    range: Annotated[str | None, Header()] = None,
) -> Response:
    """Download a file, or a range of it; always as an attachment."""
    artifact = services.artifacts.find(run_id, name)
    span = _span(range, artifact.size)
    headers = {**attachment(name), "Accept-Ranges": "bytes", "ETag": _tag(artifact)}
    if span is None:
        headers["Content-Range"] = f"bytes */{artifact.size}"
        return Response(status_code=416, headers=headers)
    start, end = span
    headers["Content-Length"] = str(end - start)
    partial = (start, end) != (0, artifact.size)
    if partial:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{artifact.size}"
    return StreamingResponse(
        services.artifacts.read(artifact, start, end),
        status_code=206 if partial else 200,
        media_type="application/octet-stream",
        headers=headers,
    )


@router.post("/runs/{run_id}/models", response_model_exclude_unset=True)
@allow(Permission.REGISTER_MODELS, once=True)
def register_model(run_id: str, body: ModelBody, services: S, caller: Caller) -> ModelView:
    """Give files of a run a model's name, and the version that comes next for it."""
    made = services.models.register(run_id, body.model_dump(exclude_none=True), caller)
    return ModelView.model_validate(made)


@router.get("/models", response_model_exclude_unset=True)
@allow(Permission.READ_CATALOG)
def list_models(services: S, name: str | None = None) -> ModelList:
    """All models, or all versions of one, newest first."""
    found = services.models.find(name)
    return ModelList(models=[ModelView.model_validate(each) for each in found])


def _span(asked: str | None, size: int) -> tuple[int, int] | None:
    """First byte and the one after the last; None if the range is empty.

    Anything but a single range of bytes is answered with the whole file, as HTTP allows.
    """
    found = _RANGE.fullmatch(asked or "")
    if found is None or found.groups() == ("", ""):
        return 0, size
    first, last = found.groups()
    if not first:
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(size, int(last) + 1 if last else size)
    return (start, end) if start < end else None


def _tag(artifact: Artifact) -> str:
    return f'"{artifact.sha256}"'


def _view(artifact: Artifact) -> ArtifactView:
    return ArtifactView(
        name=artifact.name,
        size=artifact.size,
        sha256=artifact.sha256,
        created_at=moment(artifact.created_at),
        attempt=artifact.attempt,
    )
