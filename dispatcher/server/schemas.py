"""What goes over the wire: requests as they are parsed, and runs as users see them."""

import json
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from dispatcher.core.lifecycle import TERMINAL, Run, Slot
from dispatcher.core.spec import ChildPolicy, Key, Name, Properties, RunId, RunSpec, Tags, Text
from dispatcher.core.verdicts import judge
from dispatcher.services.spool_lines import sound
from dispatcher.services.tracking import logs_of
from dispatcher.store.contract import Store, Transaction
from dispatcher.store.metrics.contract import Point

MOST_IN_COMMON = 256 << 20
# What a run is told of those above it: nothing of how they run, and no token.
_OF_ANCESTORS = (
    *("id", "experiment", "number", "name", "display_name", "description", "type", "status"),
    *("version", "terminal", "attempt", "target", "parent_id", "root_id", "interactive"),
    *("created_at", "started_at", "ended_at", "tags", "properties"),
)


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SubmitBody(Strict):
    """Runs; what is the same in all of them may be said once, in `common`."""

    common: dict[str, Any] = {}
    runs: Annotated[list[RunSpec], Field(min_length=1, max_length=20_000)]
    brief: bool = False

    @model_validator(mode="before")
    @classmethod
    def _whole(cls, told: Any) -> Any:
        common = told.get("common") if isinstance(told, dict) else None
        runs = told.get("runs") if isinstance(told, dict) else None
        if not isinstance(common, dict) or not isinstance(runs, list):
            return told
        size = len(json.dumps(common)) * len(runs)
        if size > MOST_IN_COMMON:
            raise ValueError(
                f"common: comes to {size} bytes for {len(runs)} runs; at most {MOST_IN_COMMON}"
            )
        whole = [{**common, **run} if isinstance(run, dict) else run for run in runs]
        return {**told, "common": {}, "runs": whole}


class AgainBody(Strict):
    id: RunId


class ExtendBody(Strict):
    add: Annotated[int, Field(ge=1, le=100_000)]


class WaitBody(Strict):
    ids: Annotated[list[RunId], Field(max_length=100_000)]
    wait: Annotated[float, Field(ge=0, le=60)] = 0


class PatchBody(Strict):
    tags: Tags = {}
    remove_tags: Annotated[list[Key], Field(max_length=1000)] = []
    properties: Properties = {}
    display_name: Name | None = None
    description: Annotated[str, Field(max_length=5000)] | None = None
    child_policy: ChildPolicy | None = None


class ExperimentBody(Strict):
    tags: Tags = {}
    remove_tags: Annotated[list[Key], Field(max_length=1000)] = []
    archived: bool | None = None


class EnvironmentBody(Strict):
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w.\-]{0,199}$")]
    definition: dict[str, Any]


class ModelBody(Strict):
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w.\-]{0,199}$")]
    path: Annotated[str, Field(max_length=1024)]
    tags: Tags = {}
    properties: Properties = {}
    description: Annotated[str, Field(max_length=5000)] | None = None
    framework: Name | None = None
    framework_version: Name | None = None


class EventBody(Strict):
    type: Literal["complete", "fail"]
    error: dict[str, Any] | None = None
    set_status: bool = True


class ParkBody(Strict):
    waits_for: Annotated[list[RunId], Field(max_length=100_000)]


class TargetBody(BaseModel):
    model_config = ConfigDict(extra="allow")
    kind: Text


@dataclass(frozen=True)
class Family:
    """What a run's view shows beyond the run itself, for many runs read at once."""

    tags: Mapping[str, Mapping[str, str | None]]
    properties: Mapping[str, Mapping[str, str | None]]
    children: Mapping[str, Mapping[str, int]]
    plain: Mapping[str, str] = field(default_factory=dict)  # targets without containers: kinds

    @staticmethod
    def read(tx: Transaction, runs: Collection[Run]) -> "Family":
        ids = [run.id for run in runs]
        plain = {}
        if any(_wants_container(run.spec) for run in runs):
            kinds = {name: str(told.get("kind")) for name, told in tx.registry.targets().items()}
            plain = {name: kind for name, kind in kinds.items() if kind != "docker"}
        return Family(
            tx.labels.tags(ids), tx.labels.properties(ids), tx.runs.children_by_status(ids), plain
        )


def views(store: Store, runs: Collection[Run]) -> list[dict[str, Any]]:
    """Runs as users see them, in the order given."""
    family = store.read(lambda tx: Family.read(tx, runs))
    return [view(run, family) for run in runs]


def view(run: Run, family: Family) -> dict[str, Any]:
    spec = run.spec
    children = _children(family.children.get(run.id, {}))
    return {
        "id": run.id,
        "experiment": spec.experiment,
        "number": run.number,
        "name": spec.name,
        "display_name": run.display_name,
        "description": run.description,
        "type": spec.type,
        "status": run.shown_status,
        "version": run.version,
        "terminal": run.terminal,
        "attempt": run.attempt,
        "target": spec.target,
        "parent_id": spec.parent_id,
        "root_id": run.root_id,
        "submitted_by": run.submitted_by,
        "interactive": spec.interactive,
        "created_at": moment(run.created_at),
        "started_at": moment(run.started_at),
        "ended_at": moment(run.ended_at),
        "tags": dict(family.tags.get(run.id, {})),
        "properties": dict(family.properties.get(run.id, {})),
        "definition": _definition(spec),
        "error": sound(run.error or (run.evidence.said if run.evidence else None)),
        "warnings": _warnings(run, children, family.plain.get(spec.target or "")),
        "children": children,
        "gpus": [gpu for share in run.placement for gpu in share.gpus],
        "nodes": list(dict.fromkeys(share.node for share in run.placement)),
        "parked": run.slot is not Slot.HELD,
        "not_responding_since": moment(run.not_responding_since),
        "exit_code": run.evidence.exit_code if run.evidence else None,
        "child_policy": run.child_policy,
    }


def with_ancestors(store: Store, run: Run, logs: bool = False) -> dict[str, Any]:
    """One run as users see it, and what is to be known of those above it, nearest first; with
    `logs` the names of its logs.

    Whoever may read a run may read this: a run's own token reads nothing of them by itself.
    """

    def work(tx: Transaction) -> dict[str, Any]:
        shown = {**view(run, Family.read(tx, [run])), "ancestors": _ancestors(tx, run)}
        if logs:
            names = [name for _attempt, name, _size in logs_of(tx, run.id)]
            shown["logs"] = list(dict.fromkeys(names))
        return shown

    return store.read(work)


def _ancestors(tx: Transaction, run: Run) -> list[dict[str, Any]]:
    if not run.lineage:
        return []
    found = tx.runs.get(run.lineage)
    family = Family(tx.labels.tags(run.lineage), tx.labels.properties(run.lineage), {})
    whole = [view(found[run_id], family) for run_id in reversed(run.lineage) if run_id in found]
    return [{key: each[key] for key in _OF_ANCESTORS} for each in whole]


def brief(run: Run) -> dict[str, Any]:
    return {"id": run.id, "status": run.shown_status, "version": run.version}


def moment(seconds: float | None) -> str | None:
    """ISO 8601 in UTC, as v1 wrote it."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def point_view(point: Point) -> dict[str, Any]:
    return {
        "n": point.name,
        "k": point.kind,
        "v": plain(point.value),
        "t": point.t,
        "s": point.step,
        "d": point.description,
    }


def plain(value: Any) -> Any:
    """JSON cannot write NaN and the infinities: they travel as {"float": "nan"}."""
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": str(value)}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value


def _children(by_status: Mapping[str, int]) -> dict[str, int]:
    ended = {status.value for status in TERMINAL}
    return {
        "total": sum(by_status.values()),
        "failed": by_status.get("Failed", 0),
        "canceled": by_status.get("Canceled", 0),
        "open": sum(n for status, n in by_status.items() if status not in ended),
    }


def _definition(spec: RunSpec) -> dict[str, Any]:
    """v1's definition; a client need not say the arguments twice."""
    if not spec.definition:
        return {}
    return {"arguments": list(spec.arguments), **spec.definition}


def _wants_container(spec: RunSpec) -> bool:
    """Whether v1's definition asks for Docker, in its older or its newer way."""
    docker: Any = spec.definition.get("docker")
    environment: Any = spec.definition.get("environment")
    older: Any = environment.get("docker") if isinstance(environment, Mapping) else None
    return bool(
        spec.image
        or (isinstance(docker, Mapping) and docker.get("useDocker"))
        or (isinstance(older, Mapping) and older.get("enabled"))
    )


def _warnings(
    run: Run, children: Mapping[str, int], plain_kind: str | None
) -> list[dict[str, str]]:
    found = []
    if plain_kind is not None and _wants_container(run.spec):
        text = (
            f"target {run.spec.target} is of kind {plain_kind}, which starts plain processes: the "
            "image and the Docker settings do not apply; a target of kind docker has containers"
        )
        found.append({"source": "docker", "message": text})
    if run.terminal and children["failed"]:
        text = f"{run.status}, {children['failed']} of {children['total']} children failed"
        found.append({"source": "children", "message": text})
    if run.attempt > 1:
        spent = ", ".join(f"{count} x {cls}" for cls, count in run.retries.items())
        found.append({"source": "retries", "message": f"attempt {run.attempt} (retried: {spent})"})
    if run.evidence is not None and run.evidence.oom and judge(run.evidence).cls != "resource":
        found.append({"source": "memory", "message": "a process of the run was killed for memory"})
    return found
