"""Deleted runs, in memory."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from dispatcher.core.runs.lifecycle import Run
from dispatcher.store.events.contract import Events
from dispatcher.store.memory_state import MemoryState
from dispatcher.store.retention.contract import DeletedRun, EndedCursor, EndedRun, TreeRun
from dispatcher.store.retention.deleted_event import DELETED_KIND, MODEL_PREFIX, deleted_event
from dispatcher.store.runs.codec import bucket


class MemoryDeletions:
    """See `contract.Deletions`."""

    def __init__(self, state: MemoryState, events: Events) -> None:
        self._state = state
        self._events = events

    def tree(self, run_id: str) -> list[TreeRun]:
        if run_id not in self._state.runs:
            return []
        runs = sorted(self._state.runs.values(), key=lambda run: run.seq)
        return [
            TreeRun(run.id, run.status, bucket(run) == "done")
            for run in runs
            if run_id in (run.id, *run.lineage)
        ]

    def delete(
        self, ids: Collection[str], *, at: float, by: str, kept: Mapping[str, Collection[str]]
    ) -> None:
        state = self._state
        for run_id in ids:
            state.runs.pop(run_id, None)
            state.sweeps.pop(run_id, None)
            state.deleted_runs[run_id] = DeletedRun(run_id, at, by, at)
        gone = {
            (run_id, name)
            for run_id, name in state.artifacts
            if run_id in ids and not _is_kept(name, kept.get(run_id, ()))
        }
        for key in gone:
            del state.artifacts[key]
        self._events.add([deleted_event(run_id, at) for run_id in ids])

    def ended(
        self, before: float, after: EndedCursor | None, limit: int, experiment: str | None = None
    ) -> list[EndedRun]:
        found = [
            EndedRun(run.id, (run.ended_at, run.seq))
            for run in self._ended()
            if run.ended_at is not None and run.ended_at < before
            if experiment in (None, run.spec.experiment)
        ]
        found = [run for run in found if after is None or run.cursor > after]
        return sorted(found, key=lambda run: run.cursor)[:limit]

    def count_ended(self) -> int:
        return len(self._ended())

    def marked(self, kind: str) -> dict[str, float]:
        records = self._state.records.items()
        return {key[1]: record.body["at"] for key, record in records if key[0] == kind}

    def with_logs(self, before: float, limit: int) -> list[str]:
        logs = {key[0] for key in self._state.offsets if key[2].startswith("log:")}
        runs = (run for run in self._state.runs.values() if run.id in logs)
        return [
            run.id
            for run in runs
            if bucket(run) == "done" and run.ended_at is not None and run.ended_at < before
        ][:limit]

    def drop_logs(self, ids: Collection[str]) -> None:
        offsets = self._state.offsets
        for key in [k for k in offsets if k[0] in ids and k[2].startswith("log:")]:
            del offsets[key]

    def find(self, ids: Collection[str]) -> dict[str, DeletedRun]:
        deleted = self._state.deleted_runs
        return {run_id: deleted[run_id] for run_id in ids if run_id in deleted}

    def due(self, now: float, limit: int) -> list[DeletedRun]:
        deleted = self._state.deleted_runs.values()
        due = [(run.purge_due, run) for run in deleted if run.purge_due is not None]
        return [run for at, run in sorted(due, key=lambda each: each[0]) if at <= now][:limit]

    def purge(self, ids: Sequence[str], *, limit: int, next_due: float | None) -> bool:
        state, gone = self._state, set(ids)
        points = [point for point in state.points if point.run_id in gone]
        if len(points) >= limit:
            some = set(map(id, points[:limit]))
            state.points = [point for point in state.points if id(point) not in some]
            return False
        state.points = [point for point in state.points if point.run_id not in gone]
        state.offsets = {k: v for k, v in state.offsets.items() if k[0] not in gone}
        state.params = {k: v for k, v in state.params.items() if k[0] not in gone}
        state.records = {k: v for k, v in state.records.items() if k[1] not in gone}
        for run_id in gone:
            state.tags.pop(run_id, None)
            properties = state.properties.pop(run_id, {})
            models = {k: v for k, v in properties.items() if k.startswith(MODEL_PREFIX)}
            if models:
                state.properties[run_id] = models
            state.deleted_runs[run_id] = replace(state.deleted_runs[run_id], purge_due=next_due)
        state.events = [
            event
            for event in state.events
            if event.run_id not in gone or (event.kind == DELETED_KIND and next_due is not None)
        ]
        return True

    def forget(self, before: float) -> int:
        deleted = self._state.deleted_runs
        old = [key for key, run in deleted.items() if run.purge_due is None and run.at < before]
        for key in old:
            del deleted[key]
        return len(old)

    def _ended(self) -> list[Run]:
        """The runs at the top of their trees that have ended and are released."""
        runs = self._state.runs.values()
        return [r for r in runs if r.ended_at and not r.spec.parent_id and bucket(r) == "done"]


def _is_kept(name: str, kept: Collection[str]) -> bool:
    return any(name == path or name.startswith(f"{path}/") for path in kept)
