"""Runs as users see them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from dispatcher.core.runs.lifecycle import TERMINAL, Run, Slot
from dispatcher.core.runs.spec import RunSpec
from dispatcher.core.runs.verdicts import judge
from dispatcher.server.views import (
    AncestorView,
    BriefRun,
    ChildCounts,
    RunDetails,
    RunView,
    RunWarning,
    moment,
)
from dispatcher.services.spool_lines import sound
from dispatcher.services.tracking import logs_of
from dispatcher.store.contract import Store, Transaction


@dataclass(frozen=True)
class Family:
    """What the view of a run shows beside the run itself, read for many runs at once."""

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


def views(store: Store, runs: Collection[Run]) -> list[RunView]:
    """Runs as users see them, in the order given."""
    family = store.read(lambda tx: Family.read(tx, runs))
    return [RunView.model_construct(**_fields(run, family)) for run in runs]


def _fields(run: Run, family: Family) -> dict[str, Any]:
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


def with_ancestors(store: Store, run: Run, logs: bool = False) -> RunDetails:
    """One run as users see it, with the runs above it, the nearest first; with `logs`, the names of
    its logs.
    """

    def work(tx: Transaction) -> RunDetails:
        fields = _fields(run, Family.read(tx, [run]))
        fields["ancestors"] = _ancestors(tx, run)
        if logs:
            names = [name for _attempt, name, _size in logs_of(tx, run.id)]
            fields["logs"] = list(dict.fromkeys(names))
        return RunDetails.model_construct(set(fields), **fields)

    return store.read(work)


def _ancestors(tx: Transaction, run: Run) -> list[AncestorView]:
    if not run.lineage:
        return []
    found = tx.runs.get(run.lineage)
    family = Family(tx.labels.tags(run.lineage), tx.labels.properties(run.lineage), {})
    whole = [_fields(found[run_id], family) for run_id in reversed(run.lineage) if run_id in found]
    shown = AncestorView.model_fields
    return [AncestorView.model_construct(**{key: fields[key] for key in shown}) for fields in whole]


def brief(run: Run) -> BriefRun:
    """The answer for one run of a submission that asks for brief answers."""
    return BriefRun.model_construct(id=run.id, status=run.shown_status, version=run.version)


def _children(by_status: Mapping[str, int]) -> ChildCounts:
    ended = {status.value for status in TERMINAL}
    return ChildCounts.model_construct(
        total=sum(by_status.values()),
        failed=by_status.get("Failed", 0),
        canceled=by_status.get("Canceled", 0),
        open=sum(n for status, n in by_status.items() if status not in ended),
    )


def _definition(spec: RunSpec) -> dict[str, Any]:
    """The definition in v1's shape; a client sends the arguments only once."""
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


def _warnings(run: Run, children: ChildCounts, plain_kind: str | None) -> list[RunWarning]:
    found = []
    if plain_kind is not None and _wants_container(run.spec):
        text = (
            f"target {run.spec.target} is of kind {plain_kind}, which starts plain processes: the "
            "image and the Docker settings do not apply; a target of kind docker has containers"
        )
        found.append(RunWarning(source="docker", message=text))
    if run.terminal and children.failed:
        text = f"{run.status}, {children.failed} of {children.total} children failed"
        found.append(RunWarning(source="children", message=text))
    if run.attempt > 1:
        spent = ", ".join(f"{count} x {cls}" for cls, count in run.retries.items())
        found.append(
            RunWarning(source="retries", message=f"attempt {run.attempt} (retried: {spent})")
        )
    if run.evidence is not None and run.evidence.oom and judge(run.evidence).cls != "resource":
        found.append(
            RunWarning(source="memory", message="a process of the run was killed for memory")
        )
    if run.evidence is not None:
        found += [RunWarning(source="node", message=text) for text in run.evidence.warnings]
    return found
