"""Tags, properties and descriptions, in memory."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from dispatcher.core.errors import PropertyConflict
from dispatcher.store.events.contract import Events
from dispatcher.store.labels.contract import label_event
from dispatcher.store.memory_state import MemoryState, Pairs


class MemoryLabels:
    def __init__(self, state: MemoryState, events: Events) -> None:
        self._state = state
        self._events = events

    def tags(self, ids: Collection[str]) -> dict[str, Pairs]:
        return _read(self._state.tags, ids)

    def properties(self, ids: Collection[str]) -> dict[str, Pairs]:
        return _read(self._state.properties, ids)

    def properties_like(self, prefix: str) -> list[tuple[str, str, str | None]]:
        return [
            (run_id, key, value)
            for run_id, pairs in self._state.properties.items()
            for key, value in pairs.items()
            if key.startswith(prefix)
        ]

    def label_all(
        self,
        tags: Mapping[str, Mapping[str, str | None]],
        properties: Mapping[str, Mapping[str, str | None]],
    ) -> None:
        self._state.tags.update({run_id: dict(pairs) for run_id, pairs in tags.items()})
        self._state.properties.update({run_id: dict(pairs) for run_id, pairs in properties.items()})

    def set_tags(self, run_id: str, tags: Mapping[str, str | None]) -> None:
        if tags:
            self._state.tags.setdefault(run_id, {}).update(tags)
            self._events.add([label_event("TagsSet", run_id, tags)])

    def remove_tags(self, run_id: str, keys: Collection[str]) -> None:
        for key in keys:
            self._state.tags.get(run_id, {}).pop(key, None)
        if keys:
            self._events.add([label_event("TagsRemoved", run_id, keys)])

    def add_properties(self, run_id: str, properties: Mapping[str, str | None]) -> None:
        have = self._state.properties.setdefault(run_id, {})
        for key, value in properties.items():
            if key in have and have[key] != value:
                raise PropertyConflict(f"property {key!r} of run {run_id} is {have[key]!r}")
        new = properties.keys() - have.keys()
        have.update(properties)
        if new:
            self._events.add([label_event("PropertiesAdded", run_id, new)])

    def describe(self, run_id: str, fields: Mapping[str, str | None]) -> None:
        if fields and run_id in self._state.runs:
            changed: dict[str, Any] = dict(fields)
            self._state.runs[run_id] = replace(self._state.runs[run_id], **changed)
            self._events.add([label_event("Described", run_id, fields)])


def _read(pairs: Mapping[str, Pairs], ids: Collection[str]) -> dict[str, Pairs]:
    return {run_id: dict(pairs[run_id]) for run_id in ids if pairs.get(run_id)}
