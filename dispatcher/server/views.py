"""What calls are answered: the models of the API's description. Moments are ISO 8601 in UTC.

Values that the service made itself are not checked again: they are put in by `model_construct`.
"""

import math
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel

Labels = dict[str, str | None]


class ChildCounts(BaseModel):
    """How many direct children a run has."""

    total: int
    failed: int
    canceled: int
    open: int


class RunWarning(BaseModel):
    """Something that the user should know of a run."""

    source: str
    message: str


class AncestorView(BaseModel):
    """What is shown of a run above another one: nothing of how it runs."""

    id: str
    experiment: str
    number: int
    name: str | None
    display_name: str | None
    description: str | None
    type: str | None
    status: str
    version: int
    terminal: bool
    attempt: int
    target: str
    parent_id: str | None
    root_id: str
    submitted_by: str
    interactive: bool
    created_at: str | None
    started_at: str | None
    ended_at: str | None
    tags: Labels
    properties: Labels


class ExperimentDeletion(BaseModel):
    """Whether the experiment is deleted; otherwise it has more runs: ask again."""

    complete: bool


class DeletedRuns(BaseModel):
    """How many runs were deleted."""

    deleted: int


class RunView(AncestorView):
    """A run."""

    definition: dict[str, Any]
    error: dict[str, Any] | None
    warnings: list[RunWarning]
    children: ChildCounts
    gpus: list[str]
    nodes: list[str]
    parked: bool
    not_responding_since: str | None
    exit_code: int | None
    child_policy: str


class RunDetails(RunView):
    """A run, the runs above it (the nearest first), and the names of its logs if asked for."""

    ancestors: list[AncestorView]
    logs: list[str] | None = None


class BriefRun(BaseModel):
    """The run of a submission that asks for brief answers."""

    id: str
    status: str
    version: int


class SubmittedRuns(BaseModel):
    """The runs of a submission, in its order."""

    runs: list[RunView] | list[BriefRun]


class RunPage(BaseModel):
    """A page of runs; `next` is the cursor of the next one."""

    runs: list[RunView]
    next: str | None


class WaitAnswer(BaseModel):
    """The status of each run that is waited for, and how many have not ended."""

    statuses: dict[str, str]
    pending: int


class Explanation(BaseModel):
    """Why a run waits."""

    run: str
    status: str
    reason: str | None


class RunHistory(BaseModel):
    """The events of a run, and those of its attempts' ends with their evidence."""

    events: list[dict[str, Any]]
    attempts: list[dict[str, Any]]


class PointView(BaseModel):
    """A logged metric value: name, kind, value, unix seconds, step, description."""

    n: str
    k: str
    v: Any
    t: float | None
    s: int | None
    d: str

    @staticmethod
    def of(point: Any) -> "PointView":
        return PointView.model_construct(
            n=point.name,
            k=point.kind,
            v=plain(point.value),
            t=point.t,
            s=point.step,
            d=point.description,
        )


class RunMetrics(BaseModel):
    """The points of each run, in logging order."""

    runs: dict[str, list[PointView]]


class LogView(BaseModel):
    name: str
    size: int
    attempt: int


class LogList(BaseModel):
    """The logs of a run, and whether all has come."""

    logs: list[LogView]
    complete: bool


class StreamOffset(BaseModel):
    """Up to which offset the service holds a stream."""

    run: str
    attempt: int
    stream: str
    offset: int


class SpoolAnswer(BaseModel):
    acks: list[StreamOffset]


class PartAnswer(BaseModel):
    """How many bytes of a content are held."""

    held: int
    complete: bool


class Registration(BaseModel):
    """Which contents must be uploaded first, or how many files were registered."""

    missing: list[str]
    registered: int


class ArtifactView(BaseModel):
    name: str
    size: int
    sha256: str
    created_at: str | None
    attempt: int


class ArtifactPage(BaseModel):
    """A page of files; the next one is after the name `next`."""

    artifacts: list[ArtifactView]
    next: str | None


class ModelView(BaseModel):
    """One version of a model."""

    name: str
    version: int
    run_id: str
    path: str
    registered_at: float
    registered_by: str
    submitter: str
    counts_as_latest: bool
    tags: Labels | None = None
    properties: Labels | None = None
    description: str | None = None
    framework: str | None = None
    framework_version: str | None = None


class ModelList(BaseModel):
    """Versions of models, the newest first."""

    models: list[ModelView]


class SnapshotAnswer(BaseModel):
    """The snapshot's id, and the contents that are missing; it is complete once none is."""

    id: str
    missing: list[str]


class StoredBlobs(BaseModel):
    stored: int


class SnapshotManifest(BaseModel):
    """[path, mode, size, sha256] of each file of a snapshot."""

    files: list[tuple[str, int, int, str]]


class ExperimentView(BaseModel):
    id: str
    name: str
    created_at: str | None
    tags: Labels
    archived_at: str | None


class ExperimentList(BaseModel):
    experiments: list[ExperimentView]


class TargetView(BaseModel, extra="allow"):
    """A compute target: the options of its kind, and what is known of it now."""

    name: str
    kind: str
    answers: bool
    capacity: str | None
    orphan_jobs: dict[str, str]


class TargetList(BaseModel):
    targets: list[TargetView]


class EnvironmentView(BaseModel):
    """One version of a registered environment."""

    name: str
    version: str
    created_at: str | None
    registered_by: str
    counts_as_latest: bool
    definition: dict[str, Any]


class EnvironmentList(BaseModel):
    environments: list[EnvironmentView]


class SweepView(BaseModel):
    """A sweep: what was asked for, and how it stands. `trials` counts them by status."""

    id: str
    status: str
    terminal: bool
    paused: bool
    retries: int
    spec: dict[str, Any]
    trials: dict[str, int]
    created_at: str | None
    deadline: str | None


class TrialView(BaseModel):
    """A trial, with the best value of each metric that it has logged."""

    number: int
    run_id: str
    status: str
    hyperparameters: str  # JSON
    best_primary_metric: Any
    metrics: dict[str, Any]
    logged: Any
    started_at: str | None
    ended_at: str | None


class TrialList(BaseModel):
    trials: list[TrialView]


class TrialPage(TrialList):
    """A page of trials; the next one is after the number `next`."""

    next: int | None


class HeartbeatAnswer(BaseModel):
    """The runs that need no more heartbeats: they have ended, or are not known."""

    ended: list[str]


class Health(BaseModel):
    """The service answers."""

    ok: bool
    version: str
    service_id: str


class Identity(BaseModel):
    """Who the service is: its id, its data folder and its process (`wire.identity`)."""

    service_id: str
    version: str
    folder: str
    device: int
    inode: int
    in_place: bool
    copied_from: str | None
    pid: int
    started: int | None
    boot_id: str
    host: str


def moment(seconds: float | None) -> str | None:
    """ISO 8601 in UTC, as v1 wrote it."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def plain(value: Any) -> Any:
    """JSON cannot write NaN and the infinities: they travel as {"float": "nan"}."""
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": str(value)}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value
