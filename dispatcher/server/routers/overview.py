"""Lists as pages show them: filtered, sorted, counted and paged here."""

from dataclasses import asdict, replace
from typing import Annotated

from fastapi import Query

from dispatcher.access.permissions import Permission
from dispatcher.core.errors import InvalidSpec
from dispatcher.server.deps import Caller, S
from dispatcher.server.guard import allow, guarded_router
from dispatcher.server.overview_views import (
    BelowCounts,
    ChartData,
    ExperimentTable,
    RunTable,
    SeriesView,
    TargetSummary,
    TargetTable,
    experiment_summaries,
    summaries,
)
from dispatcher.services.overviews import Activity, ExperimentOrder, ExperimentQuery
from dispatcher.store.runs.contract import RunOrder, RunQuery, cursor_of

router = guarded_router(tags=["overview"])
COUNTED = 10_000  # runs of a table are counted up to here: a page does not wait for more
SearchText = Annotated[str, Query(max_length=256)]
Limit = Annotated[int, Query(ge=1, le=200)]
Offset = Annotated[int, Query(ge=0, le=1_000_000)]
# Where the next page begins: an offset, or the place of the last run where the newest come first.
_CURSOR = r"^(\d{1,7}|\d{1,20}(\.\d{1,20})?(e[+-]\d\d)?,\d{1,18})$"


@router.get("/overview/experiments")
@allow(Permission.READ_CATALOG)
def list_experiment_overviews(
    services: S,
    text: SearchText = "",
    archived: bool = False,
    order: ExperimentOrder = "newest",
    descending: bool = True,
    limit: Limit = 50,
    offset: Offset = 0,
) -> ExperimentTable:
    """Experiments with what is active in them, and their last results."""
    query = ExperimentQuery(text, archived, order, descending, limit, offset)
    found, total = services.overviews.experiments(query)
    rows = experiment_summaries(services.store, found)
    return ExperimentTable.model_construct(experiments=rows, total=total)


@router.get("/overview/targets")
@allow(Permission.READ_CATALOG)
def list_target_overviews(services: S) -> TargetTable:
    """Compute targets with what is active on them."""
    active = services.overviews.activity_of_targets()
    rows = [
        TargetSummary.model_construct(
            name=name,
            kind=str(target["kind"]),
            answers=target["answers"],
            capacity=target["capacity"],
            orphan_jobs=len(target["orphan_jobs"]),
            **asdict(active.get(name, Activity())),
        )
        for name, target in sorted(services.catalog.targets().items())
    ]
    return TargetTable.model_construct(targets=rows)


@router.get("/overview/runs")
@allow(Permission.READ_RUNS)
def list_run_summaries(
    services: S,
    caller: Caller,
    experiment: Annotated[str | None, Query(max_length=256)] = None,
    parent: Annotated[str | None, Query(max_length=256)] = None,
    text: SearchText = "",
    tag: Annotated[list[str] | None, Query(max_length=20)] = None,
    submitted_by: Annotated[str | None, Query(max_length=256)] = None,
    status: Annotated[list[str] | None, Query(max_length=20)] = None,
    target: Annotated[str | None, Query(max_length=256)] = None,
    include_children: bool = False,
    order: RunOrder = "newest",
    descending: bool = False,
    limit: Limit = 50,
    cursor: Annotated[str | None, Query(pattern=_CURSOR)] = None,
) -> RunTable:
    """Runs as rows: those without a parent, the children of one, or with all below them.

    `tag` is a key, or `key=value`.
    """
    within = caller.tree
    query = RunQuery(
        experiment=experiment or None,
        parent=parent,
        within=within,
        top_level=not include_children and parent is None and within is None,
        text=text or None,
        tags=tuple(_tag(each) for each in tag or ()),
        submitted_by=submitted_by or None,
        statuses=tuple(status or ()),
        target=target or None,
        order=order,
        descending=descending,
        limit=limit,
    )
    query = _from(query, cursor)
    runs, total = services.store.read(
        lambda tx: (tx.runs.query(query), tx.runs.count(query, COUNTED))
    )
    following = None
    if len(runs) == limit:
        begun, seq = cursor_of(runs[-1])
        following = f"{begun!r},{seq}" if order == "newest" else str(query.offset + limit)
    rows = summaries(services.store, runs)
    return RunTable.model_construct(runs=rows, total=total, counted=COUNTED, next=following)


@router.get("/runs/{run_id}/below")
@allow(Permission.READ_RUNS)
def count_below(run_id: str, services: S) -> BelowCounts:
    """How many runs are below a run, at any depth, by status."""
    services.status.get(run_id)
    return BelowCounts(by_status=services.overviews.below(run_id))


@router.get("/runs/{run_id}/charts")
@allow(Permission.READ_RUNS)
def read_charts(
    run_id: str,
    services: S,
    text: SearchText = "",
    points: Annotated[int, Query(ge=30, le=5000)] = 600,
) -> ChartData:
    """The histories of a run's numbers, each of at most about `points` points."""
    run = services.status.get(run_id)
    series, total = services.charts.series(run, text, points)
    shown = [SeriesView.model_construct(**asdict(each)) for each in series]
    return ChartData.model_construct(series=shown, total=total)


def _tag(text: str) -> tuple[str, tuple[str | None] | None]:
    key, equals, value = text.partition("=")
    return key, ((value,) if equals else None)


def _from(query: RunQuery, cursor: str | None) -> RunQuery:
    """The query of the page that begins at a cursor. Raises InvalidSpec."""
    if cursor is None:
        return query
    begun, comma, seq = cursor.partition(",")
    if bool(comma) != (query.order == "newest"):
        raise InvalidSpec(f"cursor: {cursor!r} is not of a list in the order {query.order!r}")
    if comma:
        return replace(query, after=(float(begun), int(seq)))
    return replace(query, offset=int(cursor))
