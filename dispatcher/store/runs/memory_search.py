"""`RunSearch` over the store in memory."""

import math
from typing import Any

from dispatcher.core.runs.lifecycle import Run
from dispatcher.core.runs.search import Clause, Order, holds, sort_key
from dispatcher.store.documents.memory import MemoryParams
from dispatcher.store.memory_state import MemoryState
from dispatcher.store.metrics.numbers import newest
from dispatcher.store.runs.contract import RunSearch, cursor_of
from dispatcher.store.runs.mlflow_terms import (
    DELETED,
    MLFLOW_STATUS,
    PARENT_TAG,
    RUN_NAME_TAG,
    USER_TAG,
)


def find(state: MemoryState, search: RunSearch) -> list[Run]:
    """The runs that a search finds, in its order."""
    found = [_Looked(run, state) for run in state.runs.values() if _fits(run, state, search)]
    found = [each for each in found if all(each.satisfies(c) for c in search.clauses)]
    found.sort(key=lambda each: cursor_of(each.run), reverse=True)
    for order in reversed(search.order):
        found.sort(key=lambda each, o=order: sort_key(each.value(o), o.descending))  # type: ignore[misc]
    return [each.run for each in found][search.offset : search.offset + search.limit]


def _fits(run: Run, state: MemoryState, search: RunSearch) -> bool:
    deleted = any(key[:2] == (DELETED, run.id) for key in state.records)
    return (
        (search.experiments is None or run.spec.experiment in search.experiments)
        and (search.within is None or search.within in (run.id, *run.lineage))
        and (search.view == "all" or deleted == (search.view == "deleted"))
    )


class _Looked:
    """A run, and what clauses ask of it."""

    def __init__(self, run: Run, state: MemoryState) -> None:
        self.run = run
        self._state = state
        self._tags = state.tags.get(run.id, {})

    def satisfies(self, clause: Clause) -> bool:
        if clause.kind == "dataset":
            mine = (r for key, r in self._state.records.items() if key[:2] == _data(self.run))
            return any(holds(clause, getattr(record, clause.key)) for record in mine)
        return holds(clause, self.value(clause))

    def value(self, clause: Clause | Order) -> Any:
        run, key = self.run, clause.key
        match clause.kind:
            case "metric":
                points = (p for p in self._state.points if p.run_id == run.id and p.name == key)
                attempt, last = newest(points).get((run.id, key), (run.attempt, None))
                return last.value if last and attempt == run.attempt else None
            case "param":
                return MemoryParams(self._state).of({run.id: run.attempt}).get(run.id, {}).get(key)
            case "tag":
                return self._tag(key)
        return {
            "run_id": run.id,
            "run_name": run.display_name or run.id,
            "user_id": self._tag(USER_TAG),
            "status": MLFLOW_STATUS.get(run.status.value, "RUNNING"),
            "start_time": _milliseconds(run.started_at or run.created_at),
            "end_time": _milliseconds(run.ended_at),
        }.get(key)

    def _tag(self, key: str) -> str | None:
        if key == RUN_NAME_TAG:
            return self.run.display_name or self.run.id
        if key == PARENT_TAG and self.run.spec.parent_id:
            return self.run.spec.parent_id
        return (self._tags[key] or "") if key in self._tags else None


def _data(run: Run) -> tuple[str, str]:
    return "dataset", run.id


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else float(math.floor(seconds * 1000 + 0.5))
