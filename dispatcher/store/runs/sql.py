"""Runs and their events in SQL."""

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Select, bindparam, func, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from dispatcher.core.lifecycle import TERMINAL, Run
from dispatcher.store import bulk
from dispatcher.store.labels.rows import PropertyRow, TagRow
from dispatcher.store.runs.codec import event_data, moving, path_of, row_of, run_of
from dispatcher.store.runs.contract import Change, RecordedEvent, RunQuery, RunSearch
from dispatcher.store.runs.rows import CounterRow, EventRow, RunRow
from dispatcher.store.runs.sql_listing import below, listing
from dispatcher.store.runs.sql_search import searching

RUNS = RunRow.__table__  # type: ignore[attr-defined]
EVENTS = EventRow.__table__  # type: ignore[attr-defined]
COUNTERS = CounterRow.__table__  # type: ignore[attr-defined]
TAGS = TagRow.__table__  # type: ignore[attr-defined]
PROPERTIES = PropertyRow.__table__  # type: ignore[attr-defined]
CHUNK = 500  # ids in one IN (…)
_ENDED = [status.value for status in TERMINAL]
_SAVE = (
    update(RUNS)
    .where(RUNS.c.id == bindparam("b_id"), RUNS.c.version == bindparam("b_version"))
    .values({name: bindparam(name) for name in (
        "status", "bucket", "version", "attempt", "started_at", "ended_at", "begun_at",
        "state")})
)  # fmt: skip
# Statements of the ways that are gone most are made once: making one costs as much as running it.
_BY_ID = select(RUNS).where(RUNS.c.id == bindparam("wanted"))
_COUNT = (
    update(COUNTERS)
    .where(COUNTERS.c.name == bindparam("counter"))
    .values(value=COUNTERS.c.value + bindparam("by"))
    .returning(COUNTERS.c.value)
)


class SqlRuns:
    """See `contract.Runs`. `touched` gathers what this transaction added or changed."""

    def __init__(self, connection: Connection, touched: dict[str, Run]) -> None:
        self._connection = connection
        self._touched = touched

    def add(self, runs: Sequence[Run]) -> list[Run]:
        if not runs:
            return []
        last = self._count("runs", len(runs))
        by_experiment: dict[str, int] = {}
        for run in runs:
            name = run.spec.experiment
            by_experiment[name] = by_experiment.get(name, 0) + 1
        numbers = {
            name: iter(range(self._count(f"experiment:{name}", n) - n + 1, 1 << 62))
            for name, n in by_experiment.items()
        }
        stored = [
            replace(run, seq=last - len(runs) + 1 + k, number=next(numbers[run.spec.experiment]))
            for k, run in enumerate(runs)
        ]
        bulk.add(self._connection, RUNS, [row_of(run) for run in stored])
        accepted = [_event(run, run.version, "Submitted", run.created_at, {}) for run in stored]
        bulk.add(self._connection, EVENTS, accepted)
        self._touched.update((run.id, run) for run in stored)
        return stored

    def get(self, ids: Collection[str], *, lock: bool = False) -> dict[str, Run]:
        found: dict[str, Run] = {}
        if len(ids) == 1 and not lock:
            rows = self._connection.execute(_BY_ID, {"wanted": next(iter(ids))}).mappings()
            return {run.id: run for run in (run_of(dict(row)) for row in rows)}
        for some in chunks(ids):
            statement = select(RUNS).where(RUNS.c.id.in_(some))
            if lock:
                statement = statement.order_by(RUNS.c.seq).with_for_update()
            found.update((run.id, run) for run in self._runs(statement))
        return found

    def by_key(self, parent_id: str, keys: Collection[str]) -> dict[str, Run]:
        found: dict[str, Run] = {}
        for some in chunks(keys):
            statement = select(RUNS).where(RUNS.c.parent_id == parent_id, RUNS.c.key.in_(some))
            found.update((run.spec.key or "", run) for run in self._runs(statement))
        return found

    def save(self, changes: Sequence[Change]) -> set[str]:
        if not changes:
            return set()
        if self._saved(changes) == len(changes):
            lost = set[str]()
        else:
            lost = self._moved(changes)
            changes = [change for change in changes if change.before.id not in lost]
        bulk.add(self._connection, EVENTS, [row for each in changes for row in _events(each)])
        self._touched.update((change.after.id, change.after) for change in changes)
        return lost

    def owed(self) -> list[Run]:
        return self._runs(select(RUNS).where(RUNS.c.bucket == "owed").order_by(RUNS.c.seq))

    def queue(self, target: str, limit: int) -> list[Run]:
        return self._runs(
            select(RUNS)
            .where(RUNS.c.bucket == "queued", RUNS.c.target == target)
            .order_by(RUNS.c.rank, RUNS.c.seq)
            .limit(limit)
        )

    def queued_targets(self) -> set[str]:
        rows = self._connection.execute(
            select(RUNS.c.target).where(RUNS.c.bucket == "queued").distinct()
        )
        return {row[0] for row in rows}

    def query(self, query: RunQuery) -> list[Run]:
        return self._runs(listing(self._connection, query))

    def search(self, search: RunSearch) -> list[Run]:
        return self._runs(searching(self._connection, search))

    def open_below(self, run_id: str) -> list[Run]:
        found = self.get([run_id])
        if not found:
            return []
        return self._runs(
            select(RUNS)
            .where(below(path_of(found[run_id])), RUNS.c.status.not_in(_ENDED))
            .order_by(RUNS.c.seq)
        )

    def children_by_status(self, parents: Collection[str]) -> dict[str, dict[str, int]]:
        counts: dict[str, dict[str, int]] = {}
        for some in chunks(parents):
            statement = (
                select(RUNS.c.parent_id, RUNS.c.status, func.count())
                .where(RUNS.c.parent_id.in_(some))
                .group_by(RUNS.c.parent_id, RUNS.c.status)
            )
            for parent, status, number in self._connection.execute(statement):
                counts.setdefault(parent, {})[status] = number
        return counts

    def events(self, run_id: str) -> list[RecordedEvent]:
        statement = select(EVENTS).where(EVENTS.c.run_id == run_id).order_by(EVENTS.c.version)
        return [
            RecordedEvent(r.run_id, r.version, r.attempt, r.type, r.at, json.loads(r.data))
            for r in self._connection.execute(statement)
        ]

    def _runs(self, statement: "Select[Any]") -> list[Run]:
        found = self._connection.execute(statement)
        names = tuple(found.keys())
        return [run_of(dict(zip(names, row, strict=True))) for row in found]

    def _saved(self, changes: Sequence[Change]) -> int:
        """Save those whose run has not moved; how many that were."""
        rows = [
            {**moving(c.after), "b_id": c.before.id, "b_version": c.before.version} for c in changes
        ]
        if self._connection.dialect.supports_sane_multi_rowcount:
            return self._connection.execute(_SAVE, rows).rowcount
        return sum(self._connection.execute(_SAVE, row).rowcount for row in rows)

    def _moved(self, changes: Sequence[Change]) -> set[str]:
        """Those whose run had moved when it was to be saved: its next event is there already."""
        there = set[tuple[str, int]]()
        for some in chunks(change.before.id for change in changes):
            statement = select(EVENTS.c.run_id, EVENTS.c.version).where(EVENTS.c.run_id.in_(some))
            there.update((row[0], row[1]) for row in self._connection.execute(statement))
        return {c.before.id for c in changes if (c.before.id, c.before.version + 1) in there}

    def _count(self, name: str, by: int) -> int:
        """Add to a counter; its new value. The row's lock orders those who count at once."""
        step = {"counter": name, "by": by}
        value = self._connection.execute(_COUNT, step).scalar()
        if value is None:
            self._connection.execute(
                insert_missing(self._connection, COUNTERS), [{"name": name, "value": 0}]
            )
            value = self._connection.execute(_COUNT, step).scalar_one()
        return int(value)


def insert_missing(connection: Connection, table: Any) -> Any:
    """INSERT … ON CONFLICT DO NOTHING, in the words of either database."""
    if connection.dialect.name == "sqlite":
        return sqlite_insert(table).on_conflict_do_nothing()
    return postgresql_insert(table).on_conflict_do_nothing()


def chunks(ids: Iterable[str]) -> Iterable[list[str]]:
    items = iter(dict.fromkeys(ids))
    while some := list(islice(items, CHUNK)):
        yield some


def _event(run: Run, version: int, name: str, at: float, data: dict[str, Any]) -> dict[str, Any]:
    return {
        "run_id": run.id,
        "version": version,
        "attempt": run.attempt,
        "type": name,
        "at": at,
        "data": json.dumps(data),
    }


def _events(change: Change) -> Iterable[dict[str, Any]]:
    for k, event in enumerate(change.events):
        version = change.before.version + 1 + k
        yield _event(change.before, version, type(event).__name__, change.at, event_data(event))
