"""Tags, properties and descriptions in SQL."""

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Connection, delete, select, update

from dispatcher.core.errors import PropertyConflict
from dispatcher.store import bulk
from dispatcher.store.events.contract import Events
from dispatcher.store.labels.contract import label_event
from dispatcher.store.runs.sql import PROPERTIES, RUNS, TAGS, chunks


class SqlLabels:
    """See `contract.Labels`."""

    def __init__(self, connection: Connection, events: Events) -> None:
        self._connection = connection
        self._events = events

    def tags(self, ids: Collection[str]) -> dict[str, dict[str, str | None]]:
        return self._read(TAGS, ids)

    def properties(self, ids: Collection[str]) -> dict[str, dict[str, str | None]]:
        return self._read(PROPERTIES, ids)

    def properties_like(self, prefix: str) -> list[tuple[str, str, str | None]]:
        # SQLite's LIKE ignores case; its texts are in byte order, so a range is exact there.
        key = PROPERTIES.c.key
        statement = select(PROPERTIES.c.run_id, key, PROPERTIES.c.value)
        if self._connection.dialect.name == "sqlite":
            statement = statement.where(key >= prefix, key < prefix + "\U0010ffff")
        else:
            statement = statement.where(key.startswith(prefix, autoescape=True))
        return [(row[0], row[1], row[2]) for row in self._connection.execute(statement)]

    def set_tags(self, run_id: str, tags: Mapping[str, str | None]) -> None:
        if not tags:
            return
        self._delete_tags(run_id, tags.keys())
        self._insert(TAGS, run_id, tags)
        self._events.add([label_event("TagsSet", run_id, tags)])

    def remove_tags(self, run_id: str, keys: Collection[str]) -> None:
        if keys:
            self._delete_tags(run_id, keys)
            self._events.add([label_event("TagsRemoved", run_id, keys)])

    def _delete_tags(self, run_id: str, keys: Collection[str]) -> None:
        for some in chunks(keys):
            self._connection.execute(
                delete(TAGS).where(TAGS.c.run_id == run_id, TAGS.c.key.in_(some))
            )

    def add_properties(self, run_id: str, properties: Mapping[str, str | None]) -> None:
        have = self.properties([run_id]).get(run_id, {})
        for key, value in properties.items():
            if key in have and have[key] != value:
                raise PropertyConflict(
                    f"property {key!r} of run {run_id} is {have[key]!r} and cannot be changed to "
                    f"{value!r}: properties are immutable, use a tag"
                )
        new = {key: value for key, value in properties.items() if key not in have}
        if new:
            self._insert(PROPERTIES, run_id, new)
            self._events.add([label_event("PropertiesAdded", run_id, new)])

    def describe(self, run_id: str, fields: Mapping[str, str | None]) -> None:
        if fields:
            self._connection.execute(update(RUNS).where(RUNS.c.id == run_id).values(**fields))
            self._events.add([label_event("Described", run_id, fields)])

    def label_all(
        self,
        tags: Mapping[str, Mapping[str, str | None]],
        properties: Mapping[str, Mapping[str, str | None]],
    ) -> None:
        self._add_all(TAGS, tags)
        self._add_all(PROPERTIES, properties)

    def _add_all(self, table: Any, labels: Mapping[str, Mapping[str, str | None]]) -> None:
        rows = [
            {"run_id": run_id, "key": key, "value": value}
            for run_id, pairs in labels.items()
            for key, value in pairs.items()
        ]
        bulk.add(self._connection, table, rows)

    def _insert(self, table: Any, run_id: str, pairs: Mapping[str, str | None]) -> None:
        self._add_all(table, {run_id: pairs})

    def _read(self, table: Any, ids: Collection[str]) -> dict[str, dict[str, str | None]]:
        found: dict[str, dict[str, str | None]] = {}
        for some in chunks(ids):
            for row in self._connection.execute(select(table).where(table.c.run_id.in_(some))):
                found.setdefault(row.run_id, {})[row.key] = row.value
        return found
