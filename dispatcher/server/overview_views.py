"""What lists of experiments, runs and targets answer: less of each than a call for one of them."""

from collections.abc import Sequence

from pydantic import BaseModel

from dispatcher.core.runs.lifecycle import TERMINAL, Run
from dispatcher.server.views import Labels, moment
from dispatcher.services.overviews import Activity, ExperimentOverview
from dispatcher.store.contract import Store, Transaction


class ActivityView(BaseModel):
    """How many runs run, and how many wait to start."""

    running: int
    waiting: int


class TargetActivity(ActivityView):
    """The same on one compute target."""

    target: str

    @staticmethod
    def of(target: str, activity: Activity) -> "TargetActivity":
        return TargetActivity(target=target, running=activity.running, waiting=activity.waiting)


class RunSummary(BaseModel):
    """A run as a row of a list. `children` counts all direct children, `open_children` those that
    have not ended.
    """

    id: str
    number: int
    experiment: str
    name: str
    type: str | None
    status: str
    terminal: bool
    target: str
    interactive: bool
    submitted_by: str
    parent_id: str | None
    root_id: str
    created_at: str | None
    started_at: str | None
    ended_at: str | None
    tags: Labels
    children: int
    failed_children: int
    open_children: int


class RunTable(BaseModel):
    """A page of runs. `total` counts all pages, up to `counted`; `next` is the next page."""

    runs: list[RunSummary]
    total: int
    counted: int
    next: str | None


class ExperimentSummary(BaseModel):
    """An experiment as a row of a list."""

    name: str
    created_at: str | None
    archived_at: str | None
    tags: Labels
    runs: int
    active: list[TargetActivity]
    newest: RunSummary | None
    last_ended: RunSummary | None


class ExperimentTable(BaseModel):
    """A page of experiments; `total` counts all pages."""

    experiments: list[ExperimentSummary]
    total: int


class TargetSummary(BaseModel):
    """A compute target as a row of a list."""

    name: str
    kind: str
    answers: bool
    capacity: str | None
    orphan_jobs: int
    running: int
    waiting: int


class TargetTable(BaseModel):
    targets: list[TargetSummary]


class BelowCounts(BaseModel):
    """How many runs are below a run, at any depth, by status."""

    by_status: dict[str, int]


class SeriesView(BaseModel):
    """A metric's history: parallel lists; a value that is not finite is null."""

    name: str
    count: int
    steps: list[int]
    times: list[float | None]
    values: list[float | None]


class ChartData(BaseModel):
    """The histories of a run's metrics; `total` is how many metrics it has."""

    series: list[SeriesView]
    total: int


def summaries(store: Store, runs: Sequence[Run]) -> list[RunSummary]:
    """Runs as rows, in the order given."""

    def work(tx: Transaction) -> list[RunSummary]:
        ids = [run.id for run in runs]
        tags, children = tx.labels.tags(ids), tx.runs.children_by_status(ids)
        return [_summary(run, tags.get(run.id, {}), children.get(run.id, {})) for run in runs]

    return store.read(work)


def experiment_summaries(
    store: Store, overviews: Sequence[ExperimentOverview]
) -> list[ExperimentSummary]:
    """Experiments as rows, in the order given."""
    runs = [run for each in overviews for run in (each.newest, each.last_ended) if run is not None]
    rows = {row.id: row for row in summaries(store, list({run.id: run for run in runs}.values()))}

    def row(run: Run | None) -> RunSummary | None:
        return None if run is None else rows[run.id]

    return [
        ExperimentSummary.model_construct(
            name=each.experiment.name,
            created_at=moment(each.experiment.created_at),
            archived_at=moment(each.experiment.archived_at),
            tags=dict(each.experiment.tags),
            runs=each.runs,
            active=[TargetActivity.of(*item) for item in sorted(each.targets.items())],
            newest=row(each.newest),
            last_ended=row(each.last_ended),
        )
        for each in overviews
    ]


def _summary(run: Run, tags: Labels, children: dict[str, int]) -> RunSummary:
    ended = {status.value for status in TERMINAL}
    return RunSummary.model_construct(
        id=run.id,
        number=run.number,
        experiment=run.spec.experiment,
        name=run.display_name or run.spec.name or run.id,
        type=run.spec.type,
        status=run.shown_status,
        terminal=run.terminal,
        target=run.spec.target,
        interactive=run.spec.interactive,
        submitted_by=run.submitted_by,
        parent_id=run.spec.parent_id,
        root_id=run.root_id,
        created_at=moment(run.created_at),
        started_at=moment(run.started_at),
        ended_at=moment(run.ended_at),
        tags=dict(tags),
        children=sum(children.values()),
        failed_children=children.get("Failed", 0),
        open_children=sum(n for status, n in children.items() if status not in ended),
    )
