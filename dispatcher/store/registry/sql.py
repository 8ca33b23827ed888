"""Experiments, targets, remembered answers, leases and facts of the installation, in SQL."""

import json
import uuid
from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from dispatcher.store.counters import add_to_counter, insert_missing
from dispatcher.store.events.contract import Events, NewEvent
from dispatcher.store.registry.contract import Experiment
from dispatcher.store.registry.rows import ExperimentRow, MetaRow, TargetRow

EXPERIMENTS = ExperimentRow.__table__  # type: ignore[attr-defined]
TARGETS = TargetRow.__table__  # type: ignore[attr-defined]
META = MetaRow.__table__  # type: ignore[attr-defined]
_BY_NAME = select(EXPERIMENTS).where(EXPERIMENTS.c.name == bindparam("wanted"))
_BY_ID = select(EXPERIMENTS).where(EXPERIMENTS.c.id == bindparam("wanted"))


class SqlRegistry:
    """See `contract.Registry`."""

    def __init__(self, connection: Connection, events: Events) -> None:
        self._connection = connection
        self._events = events

    def experiment(self, name: str, *, now: float, new_id: str | None = None) -> Experiment:
        row = self._connection.execute(_BY_NAME, {"wanted": name}).first()
        if row is None:
            fresh = new_id or str(uuid.uuid4())
            new = {"id": fresh, "name": name, "created_at": now, "tags": "{}"}
            self._connection.execute(insert_missing(self._connection, EXPERIMENTS), [new])
            self._events.add([NewEvent("experiment.Created", name, now)])
            row = self._connection.execute(_BY_NAME, {"wanted": name}).one()
        return _experiment(row)

    def experiments(self) -> list[Experiment]:
        rows = self._connection.execute(select(EXPERIMENTS).order_by(EXPERIMENTS.c.created_at))
        return [_experiment(row) for row in rows]

    def find_experiments(self, names: Collection[str]) -> dict[str, Experiment]:
        statement = select(EXPERIMENTS).where(EXPERIMENTS.c.name.in_(list(names)))
        return {row.name: _experiment(row) for row in self._connection.execute(statement)}

    def experiment_by_id(self, experiment_id: str) -> Experiment | None:
        row = self._connection.execute(_BY_ID, {"wanted": experiment_id}).first()
        return None if row is None else _experiment(row)

    def put_experiment(self, experiment: Experiment) -> None:
        fields = {"tags": json.dumps(dict(experiment.tags)), "archived_at": experiment.archived_at}
        self._connection.execute(
            update(EXPERIMENTS).where(EXPERIMENTS.c.name == experiment.name).values(fields)
        )
        self._events.add([NewEvent("experiment.Changed", experiment.name)])

    def delete_experiment(self, name: str) -> None:
        self._connection.execute(delete(EXPERIMENTS).where(EXPERIMENTS.c.name == name))
        self._events.add([NewEvent("experiment.Deleted", name)])

    def targets(self) -> dict[str, dict[str, Any]]:
        rows = self._connection.execute(select(TARGETS).order_by(TARGETS.c.name))
        return {row.name: json.loads(row.config) for row in rows}

    def put_target(self, name: str, config: Mapping[str, Any]) -> None:
        self._connection.execute(delete(TARGETS).where(TARGETS.c.name == name))
        self._connection.execute(
            insert(TARGETS), [{"name": name, "config": json.dumps(dict(config))}]
        )
        self._events.add([NewEvent("target.Attached", name)])

    def delete_target(self, name: str) -> bool:
        there = self._connection.execute(delete(TARGETS).where(TARGETS.c.name == name)).rowcount
        if there:
            self._events.add([NewEvent("target.Detached", name)])
        return bool(there)

    def lock(self, name: str) -> None:
        add_to_counter(self._connection, f"lock:{name}", 0)

    def meta(self, key: str, default: str) -> str:
        statement = select(META.c.value).where(META.c.key == key)
        value = self._connection.execute(statement).scalar()
        if value is None:
            new = {"key": key, "value": default}
            self._connection.execute(insert_missing(self._connection, META), [new])
            value = self._connection.execute(statement).scalar_one()
        return str(value)

    def find_meta(self, key: str) -> str | None:
        value = self._connection.execute(select(META.c.value).where(META.c.key == key)).scalar()
        return None if value is None else str(value)

    def delete_meta(self, key: str) -> None:
        self._connection.execute(delete(META).where(META.c.key == key))

    def put_meta(self, key: str, value: str) -> None:
        self._connection.execute(delete(META).where(META.c.key == key))
        self._connection.execute(insert(META), [{"key": key, "value": value}])


def _experiment(row: Any) -> Experiment:
    return Experiment(row.id, row.name, row.created_at, json.loads(row.tags), row.archived_at)
