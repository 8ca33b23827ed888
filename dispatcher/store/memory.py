"""A store in dicts, for tests: held to the contract of the databases. Nothing survives it."""

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from dispatcher.core.errors import PropertyConflict, RunConflict
from dispatcher.core.lifecycle import Run
from dispatcher.store.codec import bucket, event_data
from dispatcher.store.contract import OnCommit, wanted
from dispatcher.store.memory_environments import MemoryEnvironments
from dispatcher.store.memory_params import MemoryParams, MemoryRecords
from dispatcher.store.memory_registry import MemoryArtifacts, MemoryRegistry, MemorySweeps
from dispatcher.store.memory_search import find
from dispatcher.store.memory_state import Pairs, State
from dispatcher.store.numbers import newest, number
from dispatcher.store.records import (
    Change,
    Latest,
    Number,
    Point,
    RecordedEvent,
    RunQuery,
    RunSearch,
    Sample,
    place_of,
)

T = TypeVar("T")


class MemoryStore:
    """See `contract.Store`."""

    def __init__(self) -> None:
        self._state = State()
        self._lock = threading.Lock()
        self._listeners: list[OnCommit] = []

    def write(self, work: Callable[["MemoryTransaction"], T]) -> T:
        with self._lock:
            state = self._state.copied()
            transaction = MemoryTransaction(state)
            answer = work(transaction)
            self._state = state
        touched = list(transaction.runs.touched.values())
        for listener in self._listeners if touched else ():
            listener(touched)
        return answer

    def read(self, work: Callable[["MemoryTransaction"], T]) -> T:
        return work(MemoryTransaction(self._state))

    def on_commit(self, listener: OnCommit) -> None:
        self._listeners.append(listener)

    def close(self) -> None:
        self._listeners.clear()


class MemoryTransaction:
    """See `contract.Transaction`."""

    def __init__(self, state: State) -> None:
        self.runs = _Runs(state)
        self.labels = _Labels(state)
        self.telemetry = _Telemetry(state)
        self.params = MemoryParams(state)
        self.records = MemoryRecords(state)
        self.artifacts = MemoryArtifacts(state)
        self.registry = MemoryRegistry(state)
        self.sweeps = MemorySweeps(state)
        self.environments = MemoryEnvironments(state)


class _Runs:
    def __init__(self, state: State) -> None:
        self._state = state
        self.touched: dict[str, Run] = {}

    def add(self, runs: Sequence[Run]) -> list[Run]:
        stored = []
        for run in runs:
            key = (run.spec.parent_id, run.spec.key)
            if run.id in self._state.runs or (run.spec.key and self.by_key(*key)):  # type: ignore[arg-type]
                raise RunConflict(f"it is there already: run {run.id}")
            numbers = self._state.numbers
            numbers["runs"] = numbers.get("runs", 0) + 1
            name = f"experiment:{run.spec.experiment}"
            numbers[name] = numbers.get(name, 0) + 1
            new = replace(run, seq=numbers["runs"], number=numbers[name])
            self._state.runs[run.id] = self.touched[run.id] = new
            submitted = RecordedEvent(run.id, 1, 1, "Submitted", run.created_at, {})
            self._state.events[run.id] = [submitted]
            stored.append(new)
        return stored

    def get(self, ids: Collection[str], *, lock: bool = False) -> dict[str, Run]:  # noqa: ARG002
        return {run_id: self._state.runs[run_id] for run_id in ids if run_id in self._state.runs}

    def by_key(self, parent_id: str, keys: Collection[str]) -> dict[str, Run]:
        asked = {keys} if isinstance(keys, str) else set(keys)
        return {
            run.spec.key: run
            for run in self._state.runs.values()
            if run.spec.parent_id == parent_id and run.spec.key in asked and run.spec.key
        }

    def save(self, changes: Sequence[Change]) -> set[str]:
        lost = set()
        for change in changes:
            before, after = change.before, change.after
            known = self._state.runs.get(before.id)
            if known is None or known.version != before.version:
                lost.add(before.id)
                continue
            labels = {n: getattr(known, n) for n in ("display_name", "description", "child_policy")}
            self._state.runs[after.id] = self.touched[after.id] = replace(after, **labels)
            self._state.events[after.id].extend(
                RecordedEvent(
                    before.id, before.version + 1 + k, before.attempt, type(event).__name__,
                    change.at, event_data(event),
                )
                for k, event in enumerate(change.events)
            )  # fmt: skip
        return lost

    def owed(self) -> list[Run]:
        return [run for run in self._sorted() if bucket(run) == "owed"]

    def queue(self, target: str, limit: int) -> list[Run]:
        queued = [r for r in self._sorted() if bucket(r) == "queued" and r.spec.target == target]
        return sorted(queued, key=lambda run: (-run.spec.priority, run.seq))[:limit]

    def queued_targets(self) -> set[str]:
        return {r.spec.target for r in self._state.runs.values() if bucket(r) == "queued"}

    def query(self, query: RunQuery) -> list[Run]:
        found = [run for run in self._state.runs.values() if self._fits(run, query)]
        return sorted(found, key=place_of, reverse=True)[: query.limit]

    def search(self, search: RunSearch) -> list[Run]:
        return find(self._state, search)

    def open_below(self, run_id: str) -> list[Run]:
        return [run for run in self._sorted() if run_id in run.lineage and not run.terminal]

    def children_by_status(self, parents: Collection[str]) -> dict[str, dict[str, int]]:
        counts: dict[str, dict[str, int]] = {}
        for run in self._state.runs.values():
            if run.spec.parent_id in parents and run.spec.parent_id:
                mine = counts.setdefault(run.spec.parent_id, {})
                mine[run.status.value] = mine.get(run.status.value, 0) + 1
        return counts

    def events(self, run_id: str) -> list[RecordedEvent]:
        return list(self._state.events.get(run_id, ()))

    def _sorted(self) -> list[Run]:
        return sorted(self._state.runs.values(), key=lambda run: run.seq)

    def _fits(self, run: Run, query: RunQuery) -> bool:
        spec, state = run.spec, self._state
        exact = (
            (query.experiment, spec.experiment),
            (query.parent, spec.parent_id),
            (query.type, spec.type),
            (query.status, run.status.value),
            (query.target, spec.target),
        )
        return (
            all(asked is None or asked == have for asked, have in exact)
            and (query.below is None or query.below in run.lineage)
            and (query.within is None or query.within in (run.id, *run.lineage))
            and (not query.top_level or spec.parent_id is None)
            and (query.ids is None or run.id in query.ids)
            and (query.after is None or place_of(run) < query.after)
            and wanted(query.tags, state.tags.get(run.id, {}))
            and wanted(query.properties, state.properties.get(run.id, {}))
        )


class _Labels:
    def __init__(self, state: State) -> None:
        self._state = state

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
        self._state.tags.setdefault(run_id, {}).update(tags)

    def remove_tags(self, run_id: str, keys: Collection[str]) -> None:
        for key in keys:
            self._state.tags.get(run_id, {}).pop(key, None)

    def add_properties(self, run_id: str, properties: Mapping[str, str | None]) -> None:
        have = self._state.properties.setdefault(run_id, {})
        for key, value in properties.items():
            if key in have and have[key] != value:
                raise PropertyConflict(f"property {key!r} of run {run_id} is {have[key]!r}")
        have.update(properties)

    def describe(self, run_id: str, fields: Mapping[str, str | None]) -> None:
        if run_id in self._state.runs:
            changed: dict[str, Any] = dict(fields)
            self._state.runs[run_id] = replace(self._state.runs[run_id], **changed)


class _Telemetry:
    def __init__(self, state: State) -> None:
        self._state = state

    def offsets(self, streams: Collection[tuple[str, int, str]]) -> dict[tuple[str, int, str], int]:
        return {stream: self._state.offsets.get(stream, 0) for stream in streams}

    def advance(self, offsets: Mapping[tuple[str, int, str], int]) -> None:
        self._state.offsets.update(offsets)

    def add_points(self, points: Sequence[Point]) -> None:
        self._state.points.extend(points)

    def add_numbers(self, run_id: str, attempt: int, numbers: Sequence[Number]) -> None:
        self.add_points(
            [Point(run_id, attempt, name, "scalar", v, t, step) for name, v, t, step in numbers]
        )

    def points(
        self,
        ids: Collection[str],
        name: str | None = None,
        attempts: Mapping[str, int] | None = None,
    ) -> dict[str, list[Point]]:
        found: dict[str, list[Point]] = {}
        for point in self._state.points:
            attempt = (attempts or {}).get(point.run_id, point.attempt)
            if point.run_id in ids and name in (None, point.name) and attempt == point.attempt:
                found.setdefault(point.run_id, []).append(point)
        return found

    def latest(self, attempts: Mapping[str, int]) -> dict[str, dict[str, Latest]]:
        mine = (p for p in self._state.points if attempts.get(p.run_id) == p.attempt)
        found: dict[str, dict[str, Latest]] = {}
        for (run_id, name), (_attempt, last) in sorted(newest(mine).items()):
            found.setdefault(run_id, {})[name] = last
        return found

    def history(
        self, run_id: str, name: str, attempt: int, *, after: int = 0, limit: int | None = None
    ) -> list[Sample]:
        key = (run_id, name, attempt)
        found = [
            (place, value, point.t, point.step or 0)
            for place, point in enumerate(self._state.points, 1)
            if (point.run_id, point.name, point.attempt) == key and place > after
            and (value := number(point)) is not None
        ]  # fmt: skip
        return found[:limit]

    def streams(self, run_id: str) -> list[tuple[int, str, int]]:
        offsets = self._state.offsets.items()
        return sorted((key[1], key[2], size) for key, size in offsets if key[0] == run_id)


def _read(pairs: Mapping[str, Pairs], ids: Collection[str]) -> dict[str, Pairs]:
    return {run_id: dict(pairs[run_id]) for run_id in ids if pairs.get(run_id)}
