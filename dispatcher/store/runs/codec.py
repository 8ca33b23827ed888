"""A run as a row and back; events as JSON and back. Pure.

A plain field of a run (a text or a number) that has a column of its name needs no line here: it is
stored and read by that name.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

from dispatcher.core.runs.jobs import Evidence
from dispatcher.core.runs.lifecycle import Event, Run, Slot, Status
from dispatcher.core.scheduling.plan import Share
from dispatcher.store.events.contract import RUN_KIND, NewEvent
from dispatcher.store.runs import specs
from dispatcher.store.runs.contract import NOT_STARTED_AT, Change, cursor_of
from dispatcher.store.runs.rows import RunRow

_CODED = {"spec", "status", "begun_at"}  # columns that hold another type than the field has
_PLAIN = tuple(
    field.name
    for field in fields(Run)
    if field.name in RunRow.__table__.columns and field.name not in _CODED  # type: ignore[attr-defined]
)
_STATE = ("placement", "evidence", "error", "retries", "slot", "waits_for", "not_responding_since")


def bucket(run: Run) -> str:
    """Where the engine looks for it: queued, owed (something is on a target), open, or done."""
    if run.status is Status.QUEUED:
        return "queued"
    if run.owed:
        return "owed"
    return "done" if run.terminal else "open"


def path_of(run: Run) -> str:
    return "/" + "/".join((*run.lineage, run.id)) + "/"


def row_of(run: Run) -> dict[str, Any]:
    """All columns of a new run."""
    spec = run.spec
    return {
        **{name: getattr(run, name) for name in _PLAIN},
        "experiment": spec.experiment,
        "parent_id": spec.parent_id,
        "path": path_of(run),
        "key": spec.key,
        "type": spec.type,
        "target": spec.target,
        "rank": -spec.priority,
        "snapshot": spec.snapshot,
        "build_context": spec.environment.context if spec.environment else None,
        "spec": specs.write(spec),
        **moving(run),
    }


def moving(run: Run) -> dict[str, Any]:
    """The columns that an event may change."""
    return {
        "status": run.status.value,
        "bucket": bucket(run),
        "version": run.version,
        "attempt": run.attempt,
        "started_at": run.started_at,
        "ended_at": run.ended_at,
        "begun_at": cursor_of(run)[0],
        "state": state_of(run),
    }


def state_of(run: Run) -> str:
    """What of a run has no column of its own, as JSON."""
    state: dict[str, Any] = {"released": run.released}
    for name in _STATE:
        value = getattr(run, name)
        if value in (None, (), {}, Slot.HELD):
            continue
        state[name] = _plain(value)
    return json.dumps(state)


def run_of(row: Mapping[str, Any]) -> Run:
    """The run that a row holds."""
    state = json.loads(row["state"])
    evidence = state.get("evidence")
    return Run(
        **{name: row[name] for name in _PLAIN},
        spec=specs.read(row["spec"]),
        status=Status(row["status"]),
        lineage=tuple(row["path"].strip("/").split("/")[:-1]),
        begun_at=row["begun_at"] if row["begun_at"] < NOT_STARTED_AT else None,
        placement=tuple(Share(s["node"], tuple(s["gpus"])) for s in state.get("placement", ())),
        evidence=Evidence.of(evidence) if evidence else None,
        error=state.get("error"),
        retries=state.get("retries", {}),
        slot=Slot(state.get("slot", Slot.HELD)),
        waits_for=tuple(state.get("waits_for", ())),
        not_responding_since=state.get("not_responding_since"),
        released=state["released"],
    )


def submitted(run: Run) -> NewEvent:
    """The event of a run that is accepted."""
    return NewEvent("run.Submitted", run.id, run.created_at, {}, run.id, run.version, run.attempt)


def events_of(change: Change) -> Iterator[NewEvent]:
    """The lifecycle events of a change, each with the run's version after it."""
    before = change.before
    for k, event in enumerate(change.events, before.version + 1):
        kind = f"{RUN_KIND}{type(event).__name__}"
        yield NewEvent(kind, before.id, change.at, _data(event), before.id, k, before.attempt)


def _data(event: Event) -> dict[str, Any]:
    """What an event carries; None and empty values are left out."""
    data = {name: _plain(value) for name, value in vars(event).items()}
    return {name: value for name, value in data.items() if value not in (None, (), [], {})}


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Evidence):
        return value.record()
    if isinstance(value, Share):
        return {"node": value.node, "gpus": list(value.gpus)}
    return value
