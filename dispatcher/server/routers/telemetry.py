"""Metrics and logs: spools are taken in, metrics and logs read."""

import time
from typing import Annotated, Any

from fastapi import Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from dispatcher.access.permissions import Permission
from dispatcher.core.errors import InvalidSpec
from dispatcher.core.runs.artifact_names import check_name
from dispatcher.core.runs.lifecycle import Run
from dispatcher.server.bodies import Body, read_body
from dispatcher.server.deps import Caller, S
from dispatcher.server.described import BYTES, RAW_BODY
from dispatcher.server.frames import field, frames
from dispatcher.server.guard import allow, guarded_router
from dispatcher.server.services import Services
from dispatcher.server.views import (
    LogList,
    LogView,
    PointView,
    RunMetrics,
    SpoolAnswer,
    StreamOffset,
)
from dispatcher.services.tracking import Chunk
from dispatcher.store.runs.contract import RunQuery

router = guarded_router(tags=["telemetry"])
MAX_RUNS = 100_000


@router.post("/spool", openapi_extra=RAW_BODY)
@allow(Permission.SEND_TELEMETRY, body=Body.RAW)
async def take_spool(request: Request, services: S, caller: Caller) -> SpoolAnswer:
    """Take chunks of spools; answers up to which offset each stream is held."""
    body = await read_body(request)

    def work() -> SpoolAnswer:
        chunks = [_chunk(header, data) for header, data in frames(body)]
        held = services.tracking.take(chunks, caller)
        return SpoolAnswer(
            acks=[
                StreamOffset(run=run, attempt=attempt, stream=stream, offset=offset)
                for (run, attempt, stream), offset in held.items()
            ]
        )

    return await run_in_threadpool(work)


@router.get("/runs/{run_id}/metrics")
@allow(Permission.READ_RUNS)
def read_metrics(
    run_id: str,
    services: S,
    name: str | None = None,
    recursive: bool = False,
    type: str | None = None,
) -> RunMetrics:
    """Points of a run, or of it and all below it, in logging order."""
    runs = [services.status.get(run_id)]
    if recursive:
        query = RunQuery(below=run_id, type=type, limit=MAX_RUNS)
        runs += services.store.read(lambda tx: tx.runs.query(query))
    attempts = {run.id: run.attempt for run in runs}
    found = services.tracking.metrics(list(attempts), name, attempts)
    return RunMetrics.model_construct(
        runs={run_id: [PointView.of(p) for p in points] for run_id, points in found.items()}
    )


@router.get("/runs/{run_id}/logs")
@allow(Permission.READ_RUNS)
def list_logs(run_id: str, services: S) -> LogList:
    run = services.status.get(run_id)
    logs = [
        LogView(name=name, size=size, attempt=attempt)
        for attempt, name, size in services.tracking.logs(run_id)
    ]
    return LogList(logs=logs, complete=run.terminal)


@router.get("/runs/{run_id}/logs/{name:path}", responses=BYTES, response_class=StreamingResponse)
@allow(Permission.READ_RUNS)
async def read_log(
    run_id: str,
    name: str,
    services: S,
    attempt: Annotated[int | None, Query(ge=1, le=1 << 30)] = None,
    offset: Annotated[int, Query(ge=0, le=1 << 50)] = 0,
    limit: Annotated[int, Query(ge=1, le=8 << 20)] = 1 << 20,
    wait: Annotated[float, Query(ge=0, le=60)] = 0,
) -> Response:
    """Bytes of a log from an offset; with `wait`, answers as soon as there are more."""
    run = await run_in_threadpool(services.status.get, run_id)
    number = attempt or run.attempt
    deadline = time.monotonic() + wait
    while True:
        ended = run.terminal or run.attempt != number  # read before the log: then that is all of it
        data = await run_in_threadpool(
            services.tracking.read_log, run_id, number, name, offset, limit
        )
        left = deadline - time.monotonic()
        if data or ended or left <= 0:
            return _log_answer(data, offset, complete=ended and len(data) < limit)
        run = await _next(services, run, min(left, 0.25))


async def _next(services: Services, run: Run, seconds: float) -> Run:
    found = await services.waiters.until([run.id], lambda r: r.version > run.version, seconds)
    return found[run.id]


def _log_answer(data: bytes, offset: int, *, complete: bool) -> Response:
    headers = {"X-Next-Offset": str(offset + len(data)), "X-Content-Type-Options": "nosniff"}
    if complete:
        headers["X-Complete"] = "1"
    return Response(data, media_type="application/octet-stream", headers=headers)


def _chunk(header: dict[str, Any], data: bytes) -> Chunk:
    stream = field(header, "stream", str)
    if not stream.startswith(("metrics", "log:")) or len(stream) > 1024 or "\0" in stream:
        raise InvalidSpec(f"stream: {stream[:80]!r} is neither metrics nor log:NAME")
    if stream.startswith("log:"):
        check_name(stream[4:])
    chunk = Chunk(
        field(header, "run", str),
        field(header, "attempt", int),
        stream,
        field(header, "offset", int),
        data,
    )
    if not 1 <= chunk.attempt < 1 << 31 or not 0 <= chunk.offset < 1 << 50:
        raise InvalidSpec(f"attempt {chunk.attempt}, offset {chunk.offset}: out of range")
    return chunk
