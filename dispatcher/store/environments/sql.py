"""Registered environments, in SQL."""

import json
from typing import Any

from sqlalchemy import Connection, func, select, tuple_

from dispatcher.store.counters import insert_missing
from dispatcher.store.environments.contract import RegisteredEnvironment
from dispatcher.store.environments.rows import EnvironmentRow
from dispatcher.store.events.contract import Events, NewEvent

ENVIRONMENTS = EnvironmentRow.__table__  # type: ignore[attr-defined]


class SqlEnvironments:
    """See `contract.Environments`."""

    def __init__(self, connection: Connection, events: Events) -> None:
        self._connection = connection
        self._events = events

    def add(self, environment: RegisteredEnvironment) -> bool:
        row = {**vars(environment), "definition": json.dumps(dict(environment.definition))}
        new = insert_missing(self._connection, ENVIRONMENTS).returning(ENVIRONMENTS.c.version)
        if self._connection.execute(new, row).first() is None:
            return False
        data = {"version": environment.version}
        self._events.add([NewEvent("environment.Registered", environment.name, data=data)])
        return True

    def find(self, name: str, version: int | None = None) -> RegisteredEnvironment | None:
        wanted = select(ENVIRONMENTS).where(ENVIRONMENTS.c.name == name)
        if version is not None:
            wanted = wanted.where(ENVIRONMENTS.c.version == version)
        else:
            wanted = wanted.where(ENVIRONMENTS.c.moves_latest)
        latest = wanted.order_by(ENVIRONMENTS.c.version.desc()).limit(1)
        row = self._connection.execute(latest).first()
        return None if row is None else _environment(row)

    def last(self, name: str) -> RegisteredEnvironment | None:
        wanted = select(ENVIRONMENTS).where(ENVIRONMENTS.c.name == name)
        newest = wanted.order_by(ENVIRONMENTS.c.version.desc()).limit(1)
        row = self._connection.execute(newest).first()
        return None if row is None else _environment(row)

    def latest(self) -> list[RegisteredEnvironment]:
        newest = (
            select(ENVIRONMENTS.c.name, func.max(ENVIRONMENTS.c.version))
            .where(ENVIRONMENTS.c.moves_latest)
            .group_by(ENVIRONMENTS.c.name)
        )
        both = tuple_(ENVIRONMENTS.c.name, ENVIRONMENTS.c.version)
        rows = self._connection.execute(select(ENVIRONMENTS).where(both.in_(newest)))
        return sorted(map(_environment, rows), key=lambda each: each.name)

    def versions(self, name: str) -> list[RegisteredEnvironment]:
        wanted = select(ENVIRONMENTS).where(ENVIRONMENTS.c.name == name)
        rows = self._connection.execute(wanted.order_by(ENVIRONMENTS.c.version.desc()))
        return list(map(_environment, rows))


def _environment(row: Any) -> RegisteredEnvironment:
    fields = row._asdict()
    return RegisteredEnvironment(**{**fields, "definition": json.loads(row.definition)})
