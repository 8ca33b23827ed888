"""The event log in SQL."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Select, bindparam, select

from dispatcher.store import bulk
from dispatcher.store.counters import COUNTERS, add_to_counter
from dispatcher.store.events.contract import RUN_KIND, NewEvent, RecordedEvent, numbered
from dispatcher.store.events.rows import EventRow

EVENTS = EventRow.__table__  # type: ignore[attr-defined]
CHANNEL = "dispatcher_events"  # of LISTEN and NOTIFY
_COLUMNS = tuple(column.name for column in EVENTS.columns)
_AFTER = (
    select(EVENTS)
    .where(EVENTS.c.id > bindparam("position"))
    .order_by(EVENTS.c.id)
    .limit(bindparam("most"))
)

_LAST = select(COUNTERS.c.value).where(COUNTERS.c.name == "events")  # also of deleted events


class SqlEvents:
    """See `contract.Events`. `pending` gathers what this transaction records."""

    def __init__(self, connection: Connection, pending: list[NewEvent]) -> None:
        self._connection = connection
        self._pending = pending

    def add(self, events: Sequence[NewEvent]) -> None:
        self._pending.extend(events)

    def after(self, position: int, limit: int) -> list[RecordedEvent]:
        return self._read(_AFTER, {"position": position, "most": limit})

    def last(self) -> int:
        return int(self._connection.execute(_LAST).scalar() or 0)

    def of_run(self, run_id: str) -> list[RecordedEvent]:
        lifecycle = EVENTS.c.kind.startswith(RUN_KIND, autoescape=True)
        mine = select(EVENTS).where(EVENTS.c.run_id == run_id, lifecycle)
        return self._read(mine.order_by(EVENTS.c.id), {})

    def _read(self, statement: "Select[Any]", values: dict[str, Any]) -> list[RecordedEvent]:
        rows = self._connection.execute(statement, values).mappings()
        return [RecordedEvent(**{**row, "data": json.loads(row["data"])}) for row in rows]


def record(
    connection: Connection, pending: Sequence[tuple[NewEvent, str]], *, now: float
) -> list[RecordedEvent]:
    """Write the events of a commit, each with its actor, as its last statements.

    The counter's row is locked from here to the commit, so ids become visible in their order,
    whichever process commits.
    """
    if not pending:
        return []
    first = add_to_counter(connection, "events", len(pending)) - len(pending) + 1
    events = [
        numbered(event, first + k, actor=actor, now=now) for k, (event, actor) in enumerate(pending)
    ]
    rows = [{**vars(event), "data": _text(event.data)} for event in events]
    bulk.add(connection, EVENTS, rows)
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"NOTIFY {CHANNEL}")
    return events


def _text(data: Mapping[str, Any]) -> str:
    return json.dumps(dict(data)) if data else "{}"
