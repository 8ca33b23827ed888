"""Runs: submit, read, wait, list, change."""

import asyncio
from dataclasses import replace
from typing import Annotated

from fastapi import Query, Response, status
from pydantic import TypeAdapter, ValidationError

from dispatcher.access.permissions import Grant, Permission
from dispatcher.core.errors import InvalidSpec, RunNotFound
from dispatcher.core.reconciliation import NOT_STARTED
from dispatcher.core.runs.lifecycle import Run, Slot, Status
from dispatcher.core.runs.spec import Key, Text
from dispatcher.server.bodies import Body
from dispatcher.server.deps import Caller, S
from dispatcher.server.guard import allow, guarded_router
from dispatcher.server.run_views import brief, views, with_ancestors
from dispatcher.server.schemas import (
    EventBody,
    HeartbeatBody,
    ParkBody,
    PatchBody,
    SubmitBody,
    WaitBody,
)
from dispatcher.server.services import Services
from dispatcher.server.views import (
    DeletedRuns,
    Explanation,
    HeartbeatAnswer,
    RunDetails,
    RunHistory,
    RunPage,
    RunView,
    SubmittedRuns,
    WaitAnswer,
    moment,
)
from dispatcher.store.contract import Transaction
from dispatcher.store.runs.contract import PageCursor, RunQuery, cursor_of

router = guarded_router(prefix="/runs", tags=["runs"])
_PAIRS: TypeAdapter[dict[str, str | None]] = TypeAdapter(dict[Key, Text | None])
_CURSOR = r"^\d{1,20}(\.\d{1,20})?(e[+-]\d\d)?,\d{1,18}$"  # the last run's place
WITHDRAWAL_SECONDS = 2.0
RELEASE_SECONDS = 10.0
START_REPORT_SECONDS = 1.0  # for an agent to report a start
Seconds = Annotated[float, Query(ge=0, le=60)]


@router.post("", status_code=status.HTTP_201_CREATED)
@allow(Permission.SUBMIT_RUNS, body=Body.BATCH, direct=True)
def submit_runs(body: SubmitBody, services: S, caller: Caller) -> SubmittedRuns:
    """Accept runs, all or none. Their snapshots must be uploaded already."""
    runs = services.submission.submit(body.runs, caller)
    if body.brief:
        return SubmittedRuns.model_construct(runs=[brief(run) for run in runs])
    return SubmittedRuns.model_construct(runs=views(services.store, runs))


@router.get("")
@allow(Permission.READ_RUNS)
def list_runs(
    services: S,
    caller: Caller,
    experiment: str | None = None,
    parent: str | None = None,
    root: str | None = None,
    type: str | None = None,
    status: str | None = None,
    target: str | None = None,
    id_prefix: Annotated[str | None, Query(min_length=1, max_length=256)] = None,
    tag: Annotated[list[str] | None, Query()] = None,
    property: Annotated[list[str] | None, Query()] = None,
    tag_key: Annotated[list[str] | None, Query()] = None,
    property_key: Annotated[list[str] | None, Query()] = None,
    tag_pairs: str | None = None,
    property_pairs: str | None = None,
    include_children: bool = False,
    recursive: bool = False,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: Annotated[str | None, Query(pattern=_CURSOR)] = None,
) -> RunPage:
    """List runs, newest first, page by page; `tag_pairs` is a JSON object of keys and values.

    A run that asks for none below a certain one is answered what it reaches: itself and all below.
    """
    within = caller.tree
    below = root or (parent if recursive else None)
    query = RunQuery(
        experiment=experiment,
        parent=parent if not recursive else None,
        below=below,
        within=within,
        top_level=not include_children and parent is None and root is None and within is None,
        type=type,
        status=status,
        target=target,
        id_prefix=id_prefix,
        tags=_filters(tag, tag_key, _pairs("tag_pairs", tag_pairs)),
        properties=_filters(property, property_key, _pairs("property_pairs", property_pairs)),
        limit=limit,
        after=_place(cursor),
    )
    runs = services.store.read(lambda tx: tx.runs.query(query))
    following = _cursor(runs[-1]) if len(runs) == limit else None
    seen = [_as_seen_by(caller, run) for run in runs]
    return RunPage.model_construct(runs=views(services.store, seen), next=following)


@router.post("/wait")
@allow(Permission.READ_RUNS, body=Body.BATCH, direct=True)
async def wait_for_runs(body: WaitBody, services: S, caller: Caller) -> WaitAnswer:
    """Answer once all of the runs have ended, or after `wait` seconds."""
    runs = await services.waiters.until(body.ids, lambda run: run.terminal, body.wait, caller)
    return WaitAnswer(
        statuses={run_id: runs[run_id].shown_status for run_id in body.ids},
        pending=sum(not run.terminal for run in runs.values()),
    )


@router.post("/heartbeat")
@allow(Permission.CHANGE_RUNS, body=Body.BATCH)
def take_heartbeats(body: HeartbeatBody, services: S, caller: Caller) -> HeartbeatAnswer:
    """The process that drives these interactive runs lives; answers which of them have ended."""
    return HeartbeatAnswer(ended=services.heartbeats.beat(body.ids, caller))


@router.get("/{run_id}", response_model=RunDetails, response_model_exclude_unset=True)
@allow(Permission.READ_RUNS)
async def read_run(
    run_id: str,
    services: S,
    caller: Caller,
    after: Annotated[int, Query(ge=-1)] = -1,
    wait: Seconds = 0,
    logs: bool = False,
    ended: bool = False,
) -> Response:
    """Read a run. With `wait`, answers as soon as its version is above `after`, or with `ended`
    once it has ended; with `logs`, lists the names of its logs.
    """

    def is_due(run: Run) -> bool:
        return run.terminal if ended else run.version > after

    found = await services.waiters.until([run_id], is_due, wait)

    def encoded() -> str:  # in the thread that reads: the event loop has others to wake
        details = _shown(services, caller, found[run_id], logs)
        return details.model_dump_json(exclude_unset=True, by_alias=True)

    return Response(await asyncio.to_thread(encoded), media_type="application/json")


@router.patch("/{run_id}")
@allow(Permission.CHANGE_RUNS)
def change_run(run_id: str, body: PatchBody, services: S) -> RunView:
    """Change tags and descriptions, add properties. A property never changes once it is set."""
    fields = body.model_dump(
        include={"display_name", "description", "child_policy"}, exclude_none=True
    )

    def work(tx: Transaction) -> None:
        if not tx.runs.get([run_id], lock=True):
            raise RunNotFound(run_id)
        tx.labels.add_properties(run_id, body.properties)
        tx.labels.remove_tags(run_id, body.remove_tags)
        tx.labels.set_tags(run_id, body.tags)
        tx.labels.describe(run_id, fields)

    services.store.write(work)
    return _view(services, services.status.get(run_id))


@router.post("/{run_id}/events")
@allow(Permission.CHANGE_RUNS)
def report_end(run_id: str, body: EventBody, services: S, caller: Caller) -> RunView:
    """Record how a run ended, as its client says, or an error that its script reports."""
    run = services.status.get(run_id)
    if body.type == "fail":
        told = body.error or {"code": "UserError"}
        error = told if isinstance(told.get("error"), dict) else {"error": told}  # v1's shape
        if not body.set_status or caller.principal.run_id == run_id:
            return _view(services, services.status.note_error(run_id, error))
        return _view(services, services.status.finish(run_id, error))
    if not run.spec.interactive:
        raise InvalidSpec(f"type: run {run_id} has a job; its exit code completes it, nothing else")
    return _view(services, services.status.finish(run_id, None))


@router.post("/{run_id}/cancel", status_code=status.HTTP_202_ACCEPTED)
@allow(Permission.CHANGE_RUNS)
async def cancel_run(run_id: str, services: S) -> RunView:
    """Ask for the run and its descendants to be canceled. Asking twice is fine.

    It answers once those that were placed and had not started are withdrawn, so that none starts
    after the answer; a target that does not answer is waited for no longer than WITHDRAWAL_SECONDS.
    """

    def cancel() -> list[str]:
        services.status.cancel(run_id)
        return services.status.unstarted(run_id)

    unstarted = await asyncio.to_thread(cancel)
    await services.waiters.until(
        unstarted, lambda run: run.terminal or run.started_at is not None, WITHDRAWAL_SECONDS
    )
    return await asyncio.to_thread(lambda: _view(services, services.status.get(run_id)))


@router.delete("/{run_id}")
@allow(Permission.DELETE_RUNS)
async def delete_run(run_id: str, services: S, caller: Caller) -> DeletedRuns:
    """Delete the run and all below it for good; 409 while one of them has not ended.

    A run that has just ended is deleted once its target has released its folder; that is waited
    for, but no longer than RELEASE_SECONDS.
    """
    unreleased = await asyncio.to_thread(services.deletion.unreleased, run_id)
    await services.waiters.until(unreleased, lambda run: not run.owed, RELEASE_SECONDS)
    deleted = await asyncio.to_thread(services.deletion.delete, run_id, caller)
    return DeletedRuns(deleted=deleted)


@router.post("/{run_id}/park")
@allow(Permission.PARK_RUNS, body=Body.BATCH)
async def park_run(run_id: str, body: ParkBody, services: S, caller: Caller) -> RunView:
    """The run waits for descendants: its slot is lent. 409 if the wait can never end.

    A script may be here before its node has told that it runs: of short runs that is not told. The
    node's word is waited for, since it knows when; without it the start is now.
    """
    speaks = caller.principal.run_id == run_id
    if speaks:
        await services.waiters.until([run_id], _has_started, START_REPORT_SECONDS)

    def park() -> RunView:
        if speaks:
            services.status.note_started(run_id)
        return _view(services, services.parking.park(run_id, body.waits_for))

    return await asyncio.to_thread(park)


@router.post("/{run_id}/unpark", response_model_exclude_unset=True)
@allow(Permission.PARK_RUNS)
async def unpark_run(run_id: str, services: S, caller: Caller, wait: Seconds = 0) -> RunDetails:
    """The wait is over; answers once the slot is held again, or after `wait` seconds."""
    await asyncio.to_thread(services.parking.unpark, run_id)
    found = await services.waiters.until(
        [run_id], lambda run: run.slot is Slot.HELD or run.terminal, wait
    )
    return await asyncio.to_thread(_shown, services, caller, found[run_id])


@router.get("/{run_id}/explain")
@allow(Permission.READ_RUNS)
def explain_run(run_id: str, services: S) -> Explanation:
    """Say why the run waits."""
    run = services.status.get(run_id)
    return Explanation(run=run_id, status=run.shown_status, reason=services.explaining.explain(run))


@router.get("/{run_id}/attempts")
@allow(Permission.READ_RUNS)
def read_attempts(run_id: str, services: S) -> RunHistory:
    """The history of a run: every event, with the evidence of how each attempt ended."""
    services.status.get(run_id)
    events = services.store.read(lambda tx: tx.events.of_run(run_id))
    shown = [
        {"version": e.version, "attempt": e.attempt, "type": e.change, "at": moment(e.at), **e.data}
        for e in events
    ]
    ends = [event for event in shown if event["type"] == "Exited"]
    return RunHistory(events=shown, attempts=ends)


def _has_started(run: Run) -> bool:
    return run.status not in NOT_STARTED


def _as_seen_by(caller: Grant, run: Run) -> Run:
    """A run that asks for itself is running, whether its node has told so yet or not."""
    itself = caller.principal.run_id == run.id
    return run if _has_started(run) or not itself else replace(run, status=Status.RUNNING)


def _cursor(last: Run) -> str:
    begun, seq = cursor_of(last)
    return f"{begun!r},{seq}"


def _place(cursor: str | None) -> PageCursor | None:
    if cursor is None:
        return None
    begun, seq = cursor.split(",")
    return (float(begun), int(seq))


def _pairs(name: str, text: str | None) -> dict[str, str | None]:
    try:
        return _PAIRS.validate_json(text or "{}")
    except ValidationError as error:
        why = error.errors()[0]["msg"]
        raise InvalidSpec(f"{name}: a JSON object of keys and texts is needed: {why}") from None


def _filters(
    given: list[str] | None, keys: list[str] | None, pairs: dict[str, str | None]
) -> tuple[tuple[str, tuple[str | None] | None], ...]:
    """`key` or `key=value`; a key with `=` in it, or a null value, comes in the other two."""
    found: list[tuple[str, tuple[str | None] | None]] = [(key, None) for key in keys or ()]
    found += [(key, (value,)) for key, value in pairs.items()]
    for text in given or ():
        key, equals, value = text.partition("=")
        found.append((key, (value,) if equals else None))
    return tuple(found)


def _view(services: Services, run: Run) -> RunView:
    return views(services.store, [run])[0]


def _shown(services: Services, caller: Grant, run: Run, logs: bool = False) -> RunDetails:
    return with_ancestors(services.store, _as_seen_by(caller, run), logs)
