"""Params of runs, and records beside them, in SQL."""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, and_, bindparam, delete, insert, select

from dispatcher.core.errors import ParamConflict
from dispatcher.store.documents.contract import RunDocument
from dispatcher.store.documents.rows import DocumentRow, ParamRow
from dispatcher.store.runs.sql import RUNS, chunks

PARAMS = ParamRow.__table__  # type: ignore[attr-defined]
DOCUMENTS = DocumentRow.__table__  # type: ignore[attr-defined]
_DROP_PARAM = delete(PARAMS).where(
    PARAMS.c.run_id == bindparam("of"), PARAMS.c.key == bindparam("which")
)
_DROP_RECORD = delete(DOCUMENTS).where(
    DOCUMENTS.c.kind == bindparam("what"),
    DOCUMENTS.c.run_id == bindparam("of"),
    DOCUMENTS.c.id == bindparam("which"),
)
_OF_RUNS = (
    select(DOCUMENTS)
    .where(
        DOCUMENTS.c.kind.in_(bindparam("kinds", expanding=True)),
        DOCUMENTS.c.run_id.in_(bindparam("runs", expanding=True)),
    )
    .order_by(DOCUMENTS.c.place)
)


class SqlParams:
    """See `contract.Params`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, run_id: str, attempt: int, params: Mapping[str, str]) -> None:
        due, stale = dict(params), []
        for some in chunks(params):
            statement = select(PARAMS).where(PARAMS.c.run_id == run_id, PARAMS.c.key.in_(some))
            for row in self._connection.execute(statement):
                if row.attempt < attempt:
                    stale.append({"of": run_id, "which": row.key})
                    continue
                if row.attempt == attempt and row.value != due[row.key]:
                    raise ParamConflict(run_id, row.key, row.value, due[row.key])
                del due[row.key]
        if stale:
            self._connection.execute(_DROP_PARAM, stale)
        if due:
            self._connection.execute(
                insert(PARAMS),
                [
                    {"run_id": run_id, "key": key, "attempt": attempt, "value": value}
                    for key, value in due.items()
                ],
            )

    def of(self, attempts: Mapping[str, int]) -> dict[str, dict[str, str]]:
        found: dict[str, dict[str, str]] = {}
        for some in chunks(attempts):
            statement = select(PARAMS).where(PARAMS.c.run_id.in_(some)).order_by(PARAMS.c.key)
            for row in self._connection.execute(statement):
                if row.attempt == attempts[row.run_id]:
                    found.setdefault(row.run_id, {})[row.key] = row.value
        return found


class SqlDocuments:
    """See `contract.Records`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def put(self, records: Sequence[RunDocument]) -> None:
        if not records:
            return
        last = {(each.kind, each.run_id, each.id): each for each in records}
        self._connection.execute(
            _DROP_RECORD, [{"what": kind, "of": run, "which": id} for kind, run, id in last]
        )
        rows = [{**vars(each), "body": json.dumps(dict(each.body))} for each in last.values()]
        self._connection.execute(insert(DOCUMENTS), rows)

    def remove(self, kind: str, run_id: str, record_id: str) -> None:
        names = {"what": kind, "of": run_id, "which": record_id}
        self._connection.execute(_DROP_RECORD, [names])

    def of_runs(self, ids: Collection[str], kinds: Collection[str]) -> dict[str, list[RunDocument]]:
        found: dict[str, list[RunDocument]] = {}
        for some in chunks(ids):
            rows = self._connection.execute(_OF_RUNS, {"kinds": list(kinds), "runs": some})
            for row in rows.mappings():
                found.setdefault(row["run_id"], []).append(_record(row))
        return found

    def find(self, kind: str, ids: Collection[str]) -> dict[str, RunDocument]:
        found: dict[str, RunDocument] = {}
        for some in chunks(ids):
            chosen = and_(DOCUMENTS.c.kind == kind, DOCUMENTS.c.id.in_(some))
            found.update((record.id, record) for record in self._read(chosen))
        return found

    def of_experiments(self, kind: str, experiments: Collection[str]) -> list[RunDocument]:
        theirs = select(RUNS.c.id).where(RUNS.c.experiment.in_(list(experiments)))
        return self._read(and_(DOCUMENTS.c.kind == kind, DOCUMENTS.c.run_id.in_(theirs)))

    def _read(self, chosen: Any) -> list[RunDocument]:
        rows = self._connection.execute(select(DOCUMENTS).where(chosen).order_by(DOCUMENTS.c.place))
        return [_record(row) for row in rows.mappings()]


def _record(row: Any) -> RunDocument:
    fields = {name: row[name] for name in RunDocument.__dataclass_fields__}
    return RunDocument(**{**fields, "body": json.loads(row["body"])})
