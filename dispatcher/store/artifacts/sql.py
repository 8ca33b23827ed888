"""Files of runs in SQL: names and hashes; the content lies in the blobs."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from dispatcher.core.errors import ArtifactConflict
from dispatcher.store.artifacts.contract import Artifact
from dispatcher.store.artifacts.rows import ArtifactRow
from dispatcher.store.runs.sql import chunks

_LAST = "\U0010ffff"  # nothing that UTF-8 can write comes after it
ARTIFACTS = ArtifactRow.__table__  # type: ignore[attr-defined]


class SqlArtifacts:
    """See `contract.Artifacts`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, artifacts: Sequence[Artifact]) -> None:
        by_run: dict[str, dict[str, Artifact]] = {}
        for new in artifacts:
            mine = by_run.setdefault(new.run_id, {})
            _refuse_another(mine.get(new.name), new)
            mine[new.name] = new
        for run_id, mine in by_run.items():
            known = self.find(run_id, mine)
            for name, artifact in known.items():
                _refuse_another(artifact, mine[name])
            due = [a for n, a in mine.items() if n not in known or known[n].attempt < a.attempt]
            self._replace(run_id, due)

    def replace(self, artifact: Artifact) -> None:
        self._replace(artifact.run_id, [artifact])

    def remove(self, run_id: str, names: Collection[str]) -> None:
        for some in chunks(names):
            self._connection.execute(
                delete(ARTIFACTS).where(ARTIFACTS.c.run_id == run_id, ARTIFACTS.c.name.in_(some))
            )

    def find(self, run_id: str, names: Collection[str]) -> dict[str, Artifact]:
        found: dict[str, Artifact] = {}
        for some in chunks(names):
            statement = select(ARTIFACTS).where(
                ARTIFACTS.c.run_id == run_id, ARTIFACTS.c.name.in_(some)
            )
            rows = self._connection.execute(statement).mappings()
            found.update((row["name"], _artifact(row)) for row in rows)
        return found

    def page(self, run_id: str, *, prefix: str, after: str, limit: int) -> list[Artifact]:
        names = ARTIFACTS.c.name
        statement = select(ARTIFACTS).where(ARTIFACTS.c.run_id == run_id, names > after)
        if prefix:  # as a range, which the key serves; LIKE would not mind the case on SQLite
            statement = statement.where(names >= prefix, names < prefix + _LAST)
        rows = self._connection.execute(statement.order_by(names).limit(limit)).mappings()
        return [_artifact(row) for row in rows]

    def _replace(self, run_id: str, artifacts: Sequence[Artifact]) -> None:
        self.remove(run_id, [artifact.name for artifact in artifacts])
        if artifacts:
            self._connection.execute(insert(ARTIFACTS), [vars(each) for each in artifacts])


def _refuse_another(known: Artifact | None, new: Artifact) -> None:
    if known and known.attempt == new.attempt and known.sha256 != new.sha256:
        raise ArtifactConflict(new.name, known.sha256, new.sha256)


def _artifact(row: Any) -> Artifact:
    return Artifact(**{name: row[name] for name in Artifact.__dataclass_fields__})
