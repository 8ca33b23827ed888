"""The event log: as pages, and as a stream of server-sent events."""

from typing import Annotated, Any

from fastapi import Header, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from dispatcher.access.permissions import Permission
from dispatcher.server.deps import S
from dispatcher.server.guard import allow, guarded_router
from dispatcher.server.views import moment

router = guarded_router(tags=["events"])
EVENT_STREAM = "text/event-stream"
STREAM: dict[int | str, dict[str, Any]] = {
    200: {"content": {EVENT_STREAM: {"schema": {"type": "string"}}}}
}
EventId = Annotated[int, Query(ge=0, le=1 << 60)]


class EventView(BaseModel):
    """An event of the log. `actor` is the principal that made the change."""

    id: int
    at: str | None
    actor: str
    kind: str
    subject: str
    run_id: str | None
    version: int | None
    attempt: int | None


class EventPage(BaseModel):
    """Events in order. `next` is the position to go on from."""

    events: list[EventView]
    next: int


@router.get("/events")
@allow(Permission.READ_RUNS)
def list_events(
    services: S, after: EventId = 0, limit: Annotated[int, Query(ge=1, le=1000)] = 100
) -> EventPage:
    """The events after a position, in order."""
    events = services.store.read(lambda tx: tx.events.after(after, limit))
    views = [
        EventView(
            id=e.id, at=moment(e.at), actor=e.actor, kind=e.kind, subject=e.subject,
            run_id=e.run_id, version=e.version, attempt=e.attempt,
        )
        for e in events
    ]  # fmt: skip
    return EventPage(events=views, next=events[-1].id if events else after)


@router.get("/events/stream", responses=STREAM, response_class=StreamingResponse)
@allow(Permission.READ_RUNS)
async def stream_events(
    services: S,
    after: Annotated[int | None, Query(ge=0, le=1 << 60)] = None,
    run: Annotated[str | None, Query(max_length=200)] = None,
    last_event_id: Annotated[str | None, Header(max_length=30)] = None,
) -> StreamingResponse:
    """Server-sent events from after a position on, or from now on; `run`: those of one run.

    A browser that connects again says with `Last-Event-ID` how far it came.
    """
    if last_event_id is not None and last_event_id.isdigit():
        after = int(last_event_id)
    return StreamingResponse(
        services.events.read(after, run_id=run),
        media_type=EVENT_STREAM,
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )
