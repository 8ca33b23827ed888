"""Sweeps in SQL: what is kept of each beside its run."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from dispatcher.core.runs.spec import STORED
from dispatcher.core.sweeps.sweep import Sweep, SweepSpec
from dispatcher.store.events.contract import Events, NewEvent
from dispatcher.store.runs.sql import chunks
from dispatcher.store.sweeps.rows import SweepRow

SWEEPS = SweepRow.__table__  # type: ignore[attr-defined]


class SqlSweeps:
    """See `contract.Sweeps`."""

    def __init__(self, connection: Connection, events: Events) -> None:
        self._connection = connection
        self._events = events

    def put(self, sweep: Sweep) -> None:
        self._connection.execute(delete(SWEEPS).where(SWEEPS.c.run_id == sweep.run_id))
        spec = sweep.spec.model_dump_json(exclude_defaults=True)
        self._connection.execute(insert(SWEEPS), [{**vars(sweep), "spec": spec}])
        self._events.add([NewEvent("sweep.Changed", sweep.run_id, run_id=sweep.run_id)])

    def get(self, ids: Collection[str]) -> dict[str, Sweep]:
        found: dict[str, Sweep] = {}
        for some in chunks(ids):
            found.update(self._read(SWEEPS.c.run_id.in_(some)))
        return found

    def unfinished(self) -> dict[str, Sweep]:
        return self._read(SWEEPS.c.over.is_(False))

    def _read(self, chosen: Any) -> dict[str, Sweep]:
        rows = self._connection.execute(select(SWEEPS).where(chosen)).mappings()
        return {row["run_id"]: _sweep(row) for row in rows}


def _sweep(row: Any) -> Sweep:
    return Sweep(**{**row, "spec": SweepSpec.model_validate_json(row["spec"], context=STORED)})
