"""The life of data: what uses the disk, the rules for deleting it, and garbage collection."""

from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel, Field

from dispatcher.access.permissions import Permission
from dispatcher.core.retention import RetentionRules, parse_rules
from dispatcher.server.deps import S
from dispatcher.server.guard import allow, guarded_router
from dispatcher.server.schemas import Strict

router = guarded_router(tags=["retention"])
RuleValues = Annotated[dict[str, str | int | float | None], Field(max_length=50)]


class CollectBody(Strict):
    """`rules` change the stored rules for this collection alone."""

    dry_run: bool = False
    rules: RuleValues = Field(default_factory=dict)


class CollectedView(BaseModel):
    """How many things of one kind were deleted, and how large they were."""

    count: int
    bytes: int


class CollectionView(BaseModel):
    """What was deleted, by kind; after a dry run: what would be."""

    dry_run: bool
    deleted: dict[str, CollectedView]


class KindUsageView(BaseModel):
    """What one kind of data takes on the service's disk."""

    kind: str
    bytes: int
    files: int
    path: str


class StoredSizeView(BaseModel):
    """What the files and logs of a run, or of an experiment's runs, take."""

    name: str
    experiment: str
    files: int
    logs: int


class DiskUsageView(BaseModel):
    """What uses the disk, the largest first. `free`: of the disk of the data folder."""

    kinds: list[KindUsageView]
    free: int
    runs: list[StoredSizeView]
    experiments: list[StoredSizeView]


@router.get("/retention")
@allow(Permission.READ_CATALOG)
def read_rules(services: S) -> RetentionRules:
    """The rules by which data is deleted."""
    return services.collection.rules()


@router.patch("/retention")
@allow(Permission.MANAGE_RETENTION)
def change_rules(body: RuleValues, services: S) -> RetentionRules:
    """Change some of the rules; null: without a limit."""
    return services.collection.change_rules(body)


@router.post("/gc")
@allow(Permission.MANAGE_RETENTION)
def collect_garbage(body: CollectBody, services: S) -> CollectionView:
    """Delete what the rules say and what nothing refers to; with `dry_run` only say what."""
    rules = parse_rules(dict[str, Any](body.rules), services.collection.rules())
    found = services.collection.collect(rules, dry_run=body.dry_run)
    deleted = {kind: CollectedView(**vars(each)) for kind, each in found.items()}
    return CollectionView(dry_run=body.dry_run, deleted=deleted)


@router.get("/usage")
@allow(Permission.READ_RUNS)
def read_usage(services: S, largest: Annotated[int, Query(ge=0, le=1000)] = 20) -> DiskUsageView:
    """What uses the disk on the service's disk, and which runs and experiments are largest."""
    usage = services.usage.read(largest)
    return DiskUsageView(
        kinds=[KindUsageView(**vars(each)) for each in usage.kinds],
        free=usage.free,
        runs=[StoredSizeView(**vars(each)) for each in usage.runs],
        experiments=[StoredSizeView(**vars(each)) for each in usage.experiments],
    )
