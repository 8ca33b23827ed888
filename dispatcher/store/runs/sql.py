"""Runs in SQL."""

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from typing import Any

from sqlalchemy import Connection, CursorResult, Select, bindparam, func, select, update

from dispatcher.core.runs.lifecycle import TERMINAL, Run, with_fields
from dispatcher.store import bulk
from dispatcher.store.counters import add_to_counter
from dispatcher.store.events.contract import Events
from dispatcher.store.labels.rows import PropertyRow, TagRow
from dispatcher.store.precompiled import Precompiled
from dispatcher.store.runs.codec import events_of, moving, path_of, row_of, run_of, submitted
from dispatcher.store.runs.contract import (
    ActiveCount,
    Change,
    ExperimentTotal,
    RunQuery,
    RunSearch,
    StoredState,
)
from dispatcher.store.runs.rows import RunRow
from dispatcher.store.runs.sql_listing import below, counting, listing
from dispatcher.store.runs.sql_search import searching

RUNS = RunRow.__table__  # type: ignore[attr-defined]
TAGS = TagRow.__table__  # type: ignore[attr-defined]
PROPERTIES = PropertyRow.__table__  # type: ignore[attr-defined]
log = logging.getLogger(__name__)
CHUNK = 500  # ids in one IN (…)
_ENDED = [status.value for status in TERMINAL]
_SAVE = (
    update(RUNS)
    .where(RUNS.c.id == bindparam("b_id"))
    .values({name: bindparam(name) for name in (
        "status", "bucket", "version", "attempt", "started_at", "ended_at", "begun_at",
        "state")})
)  # fmt: skip
FEW = 4  # for so many ids there are precompiled statements
_BY_IDS = select(RUNS).where(RUNS.c.id.in_(bindparam("wanted", expanding=True)))
_BY_IDS_LOCKED = _BY_IDS.order_by(RUNS.c.seq).with_for_update()
_BY_KEY = Precompiled(
    select(RUNS).where(RUNS.c.parent_id == bindparam("parent"), RUNS.c.key == bindparam("wanted"))
)
_OWED_STATES = Precompiled(
    select(RUNS.c.seq, RUNS.c.id, RUNS.c.version, RUNS.c.state)
    .where(RUNS.c.bucket == "owed", RUNS.c.seq > bindparam("after"))
    .order_by(RUNS.c.seq)
    .limit(bindparam("most"))
)
_QUEUE = (
    select(RUNS)
    .where(RUNS.c.bucket == "queued", RUNS.c.target == bindparam("queue"))
    .order_by(RUNS.c.rank, RUNS.c.seq)
    .limit(bindparam("most"))
)
_QUEUED, _QUEUE_IDS = Precompiled(_QUEUE), Precompiled(_QUEUE.with_only_columns(RUNS.c.id))
_VERSION = Precompiled(
    select(RUNS.c.id, RUNS.c.version).where(RUNS.c.id == bindparam("wanted")).with_for_update()
)
_VERSIONS = (
    select(RUNS.c.id, RUNS.c.version)
    .where(RUNS.c.id.in_(bindparam("ids", expanding=True)))
    .order_by(RUNS.c.seq)
    .with_for_update()
)


@lru_cache
def _by_few_ids(count: int, lock: bool) -> Precompiled:
    """Select the runs of `count` ids, `id0`, `id1` and so on."""
    wanted = select(RUNS).where(RUNS.c.id.in_([bindparam(f"id{k}") for k in range(count)]))
    return Precompiled(wanted.order_by(RUNS.c.seq).with_for_update() if lock else wanted)


class SqlRuns:
    """See `contract.Runs`. `changed` gathers the runs that this transaction added or changed."""

    def __init__(self, connection: Connection, events: Events, changed: dict[str, Run]) -> None:
        self._connection = connection
        self._events = events
        self._changed = changed
        self.unreadable: dict[str, str] = {}

    def add(self, runs: Sequence[Run]) -> list[Run]:
        if not runs:
            return []
        last = add_to_counter(self._connection, "runs", len(runs))
        by_experiment: dict[str, int] = {}
        for run in runs:
            name = run.spec.experiment
            by_experiment[name] = by_experiment.get(name, 0) + 1
        numbers = {
            name: iter(range(self._first_number(name, n), 1 << 62))
            for name, n in by_experiment.items()
        }
        stored = [
            with_fields(run, seq=seq, number=next(numbers[run.spec.experiment]))
            for seq, run in enumerate(runs, last - len(runs) + 1)
        ]
        bulk.add(self._connection, RUNS, [row_of(run) for run in stored])
        self._events.add([submitted(run) for run in stored])
        self._changed.update((run.id, run) for run in stored)
        return stored

    def get(self, ids: Collection[str], *, lock: bool = False) -> dict[str, Run]:
        found: dict[str, Run] = {}
        if 0 < len(ids) <= FEW:
            values = {f"id{k}": run_id for k, run_id in enumerate(ids)}
            rows = _by_few_ids(len(ids), lock).execute(self._connection, values)
            return {run.id: run for run in self._read_all(rows)}
        for some in chunks(ids):
            statement = _BY_IDS_LOCKED if lock else _BY_IDS
            found.update((run.id, run) for run in self._runs(statement, {"wanted": some}))
        return found

    def by_key(self, parent_id: str, keys: Collection[str]) -> dict[str, Run]:
        found: dict[str, Run] = {}
        if len(keys) == 1:
            (key,) = keys
            rows = _BY_KEY.execute(self._connection, {"parent": parent_id, "wanted": key})
            return {run.spec.key or "": run for run in self._read_all(rows)}
        for some in chunks(keys):
            statement = select(RUNS).where(RUNS.c.parent_id == parent_id, RUNS.c.key.in_(some))
            found.update((run.spec.key or "", run) for run in self._runs(statement))
        return found

    def using_snapshot(self, snapshot: str, target: str | None = None) -> bool:
        for column in (RUNS.c.snapshot, RUNS.c.build_context):
            wanted = select(RUNS.c.seq).where(column == snapshot).limit(1)
            if target is not None:
                wanted = wanted.where(RUNS.c.target == target)
            if self._connection.execute(wanted).first() is not None:
                return True
        return False

    def save(self, changes: Sequence[Change]) -> set[str]:
        if not changes:
            return set()
        versions = self._lock_versions(change.before.id for change in changes)
        stale = {c.before.id for c in changes if versions.get(c.before.id) != c.before.version}
        current = [change for change in changes if change.before.id not in stale]
        if current:
            rows = [{**moving(change.after), "b_id": change.before.id} for change in current]
            self._connection.execute(_SAVE, rows)
        self._events.add([event for change in current for event in events_of(change)])
        self._changed.update((change.after.id, change.after) for change in current)
        return stale

    def owed(
        self, *, after: int = 0, limit: int | None = None, target: str | None = None
    ) -> list[Run]:
        statement = select(RUNS).where(RUNS.c.bucket == "owed", RUNS.c.seq > after)
        if target is not None:
            statement = statement.where(RUNS.c.target == target)
        return self._runs(statement.order_by(RUNS.c.seq).limit(limit))

    def owed_states(self, *, after: int, limit: int) -> list[StoredState]:
        rows = _OWED_STATES.execute(self._connection, {"after": after, "most": limit})
        return [StoredState(*row) for row in rows]

    def queue_ids(self, target: str, limit: int) -> list[str]:
        rows = _QUEUE_IDS.execute(self._connection, {"queue": target, "most": limit})
        return [row[0] for row in rows]

    def queue(self, target: str, limit: int) -> list[Run]:
        rows = _QUEUED.execute(self._connection, {"queue": target, "most": limit})
        return self._read_all(rows)

    def queued_targets(self) -> set[str]:
        rows = self._connection.execute(
            select(RUNS.c.target).where(RUNS.c.bucket == "queued").distinct()
        )
        return {row[0] for row in rows}

    def query(self, query: RunQuery) -> list[Run]:
        return self._runs(listing(self._connection, query))

    def count(self, query: RunQuery, most: int) -> int:
        statement = counting(self._connection, query, most)
        return int(self._connection.execute(statement).scalar_one())

    def totals(self) -> dict[str, ExperimentTotal]:
        statement = select(RUNS.c.experiment, func.count(), func.max(RUNS.c.begun_at)).group_by(
            RUNS.c.experiment
        )
        return {
            name: ExperimentTotal(runs, newest)
            for name, runs, newest in self._connection.execute(statement)
        }

    def active(self) -> list[ActiveCount]:
        kinds = (RUNS.c.experiment, RUNS.c.target, RUNS.c.status)
        live = RUNS.c.bucket.in_(("queued", "owed", "open"))
        statement = (
            select(*kinds, func.count())
            .where(live, RUNS.c.status.not_in(_ENDED))
            .group_by(*kinds)
            .order_by(*kinds)
        )
        return [ActiveCount(*row) for row in self._connection.execute(statement)]

    def below_by_status(self, run_id: str) -> dict[str, int]:
        path = self._connection.execute(select(RUNS.c.path).where(RUNS.c.id == run_id)).scalar()
        statement = (
            select(RUNS.c.status, func.count()).where(below(path or "//")).group_by(RUNS.c.status)
        )
        return {str(status): int(runs) for status, runs in self._connection.execute(statement)}

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

    def _runs(
        self, statement: "Select[Any]", parameters: Mapping[str, Any] | None = None
    ) -> list[Run]:
        return self._read_all(self._connection.execute(statement, parameters))

    def _read_all(self, rows: "CursorResult[*tuple[Any, ...]]") -> list[Run]:
        names = tuple(rows.keys())
        return [run for row in rows if (run := self._read(dict(zip(names, row, strict=True))))]

    def _read(self, row: dict[str, Any]) -> Run | None:
        """The run of a row; a row that cannot be read is noted and left out."""
        try:
            return run_of(row)
        except (ValueError, KeyError, TypeError) as error:
            run_id = str(row["id"])
            self.unreadable[run_id] = reason = f"{type(error).__name__}: {error}"
            log.warning("the stored run cannot be read: %s", reason, extra={"run": run_id})
            return None

    def _lock_versions(self, ids: Iterable[str]) -> dict[str, int]:
        """The stored versions of these runs, which nobody else changes until the commit."""
        versions: dict[str, int] = {}
        for some in chunks(ids):
            if len(some) == 1:
                rows = _VERSION.execute(self._connection, {"wanted": some[0]})
            else:
                rows = self._connection.execute(_VERSIONS, {"ids": some})
            versions.update((row[0], row[1]) for row in rows)
        return versions

    def _first_number(self, experiment: str, count: int) -> int:
        """The first of the next `count` numbers of an experiment's runs."""
        return add_to_counter(self._connection, f"experiment:{experiment}", count) - count + 1


def chunks(ids: Iterable[str]) -> Iterable[list[str]]:
    items = iter(dict.fromkeys(ids))
    while some := list(islice(items, CHUNK)):
        yield some
