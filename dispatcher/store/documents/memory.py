"""Params of runs, and records beside them, of the store in memory."""

from collections.abc import Collection, Mapping, Sequence

from dispatcher.core.errors import ParamConflict
from dispatcher.store.documents.contract import RunDocument
from dispatcher.store.memory_state import MemoryState


class MemoryParams:
    def __init__(self, state: MemoryState) -> None:
        self._state = state

    def add(self, run_id: str, attempt: int, params: Mapping[str, str]) -> None:
        for key, value in params.items():
            known = self._state.params.get((run_id, key))
            if known is None or known[0] < attempt:
                self._state.params[(run_id, key)] = (attempt, value)
            elif known[0] == attempt and known[1] != value:
                raise ParamConflict(run_id, key, known[1], value)

    def of(self, attempts: Mapping[str, int]) -> dict[str, dict[str, str]]:
        found: dict[str, dict[str, str]] = {}
        for (run_id, key), (attempt, value) in sorted(self._state.params.items()):
            if attempts.get(run_id) == attempt:
                found.setdefault(run_id, {})[key] = value
        return found


class MemoryDocuments:
    def __init__(self, state: MemoryState) -> None:
        self._state = state

    def put(self, records: Sequence[RunDocument]) -> None:
        for record in records:
            key = (record.kind, record.run_id, record.id)
            self._state.records.pop(key, None)
            self._state.records[key] = record

    def remove(self, kind: str, run_id: str, record_id: str) -> None:
        self._state.records.pop((kind, run_id, record_id), None)

    def of_runs(self, ids: Collection[str], kinds: Collection[str]) -> dict[str, list[RunDocument]]:
        found: dict[str, list[RunDocument]] = {}
        for record in self._state.records.values():
            if record.run_id in ids and record.kind in kinds:
                found.setdefault(record.run_id, []).append(record)
        return found

    def find(self, kind: str, ids: Collection[str]) -> dict[str, RunDocument]:
        have = self._state.records.values()
        return {each.id: each for each in have if each.kind == kind and each.id in ids}

    def of_experiments(self, kind: str, experiments: Collection[str]) -> list[RunDocument]:
        runs = self._state.runs
        return [
            each
            for each in self._state.records.values()
            if each.kind == kind
            and each.run_id in runs
            and runs[each.run_id].spec.experiment in experiments
        ]
