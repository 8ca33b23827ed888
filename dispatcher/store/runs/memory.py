"""Runs and their events, in memory."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace

from dispatcher.core.errors import RunConflict
from dispatcher.core.runs.lifecycle import Run
from dispatcher.core.runs.search import sort_key
from dispatcher.store.events.memory import MemoryEvents
from dispatcher.store.labels.contract import wanted
from dispatcher.store.memory_state import MemoryState
from dispatcher.store.runs.codec import bucket, events_of, state_of, submitted
from dispatcher.store.runs.contract import (
    ActiveCount,
    Change,
    ExperimentTotal,
    RunQuery,
    RunSearch,
    StoredState,
    cursor_of,
    holds_text,
    order_value,
)
from dispatcher.store.runs.memory_search import find


class MemoryRuns:
    def __init__(self, state: MemoryState, events: MemoryEvents) -> None:
        self._state = state
        self._events = events
        self.changed: dict[str, Run] = {}
        self.unreadable: dict[str, str] = {}

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
            self._state.runs[run.id] = self.changed[run.id] = new
            self._events.add([submitted(new)])
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

    def using_snapshot(self, snapshot: str, target: str | None = None) -> bool:
        return any(
            snapshot in (spec.snapshot, spec.environment and spec.environment.context)
            and target in (None, spec.target)
            for spec in (run.spec for run in self._state.runs.values())
        )

    def save(self, changes: Sequence[Change]) -> set[str]:
        stale = set()
        for change in changes:
            before, after = change.before, change.after
            known = self._state.runs.get(before.id)
            if known is None or known.version != before.version:
                stale.add(before.id)
                continue
            labels = {n: getattr(known, n) for n in ("display_name", "description", "child_policy")}
            self._state.runs[after.id] = self.changed[after.id] = replace(after, **labels)
            self._events.add(list(events_of(change)))
        return stale

    def owed(
        self, *, after: int = 0, limit: int | None = None, target: str | None = None
    ) -> list[Run]:
        owed = [run for run in self._sorted() if bucket(run) == "owed" and run.seq > after]
        return [run for run in owed if target in (None, run.spec.target)][:limit]

    def owed_states(self, *, after: int, limit: int) -> list[StoredState]:
        runs = self.owed(after=after, limit=limit)
        return [StoredState(run.seq, run.id, run.version, state_of(run)) for run in runs]

    def queue_ids(self, target: str, limit: int) -> list[str]:
        return [run.id for run in self.queue(target, limit)]

    def queue(self, target: str, limit: int) -> list[Run]:
        queued = [r for r in self._sorted() if bucket(r) == "queued" and r.spec.target == target]
        return sorted(queued, key=lambda run: (-run.spec.priority, run.seq))[:limit]

    def queued_targets(self) -> set[str]:
        return {r.spec.target for r in self._state.runs.values() if bucket(r) == "queued"}

    def query(self, query: RunQuery) -> list[Run]:
        found = [run for run in self._state.runs.values() if self._fits(run, query)]
        found.sort(key=cursor_of, reverse=True)
        if query.order != "newest":
            found.sort(key=lambda run: run.seq, reverse=True)
            found.sort(key=lambda run: sort_key(order_value(run, query.order), query.descending))
        return found[query.offset : query.offset + query.limit]

    def count(self, query: RunQuery, most: int) -> int:
        return min(most, sum(self._fits(run, query) for run in self._state.runs.values()))

    def totals(self) -> dict[str, ExperimentTotal]:
        found: dict[str, ExperimentTotal] = {}
        for run in self._state.runs.values():
            known = found.get(run.spec.experiment, ExperimentTotal(0, 0.0))
            newest = max(known.newest, cursor_of(run)[0])
            found[run.spec.experiment] = ExperimentTotal(known.runs + 1, newest)
        return found

    def active(self) -> list[ActiveCount]:
        live = (run for run in self._state.runs.values() if not run.terminal)
        counts = Counter((run.spec.experiment, run.spec.target, run.status.value) for run in live)
        return [ActiveCount(*key, number) for key, number in sorted(counts.items())]

    def below_by_status(self, run_id: str) -> dict[str, int]:
        below = (run for run in self._state.runs.values() if run_id in run.lineage)
        return dict(Counter(run.status.value for run in below))

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
            (query.submitted_by, run.submitted_by),
        )
        return (
            all(asked is None or asked == have for asked, have in exact)
            and (query.below is None or query.below in run.lineage)
            and (query.within is None or query.within in (run.id, *run.lineage))
            and (not query.top_level or spec.parent_id is None)
            and (not query.statuses or run.status.value in query.statuses)
            and (query.text is None or holds_text(run, state.tags.get(run.id, {}), query.text))
            and (query.ids is None or run.id in query.ids)
            and (query.id_prefix is None or run.id.startswith(query.id_prefix))
            and (query.after is None or cursor_of(run) < query.after)
            and wanted(query.tags, state.tags.get(run.id, {}))
            and wanted(query.properties, state.properties.get(run.id, {}))
        )
