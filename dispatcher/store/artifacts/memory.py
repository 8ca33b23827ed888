"""Files of runs, in memory."""

from collections.abc import Collection, Sequence

from dispatcher.core.errors import ArtifactConflict
from dispatcher.store.artifacts.contract import Artifact
from dispatcher.store.memory_state import MemoryState


class MemoryArtifacts:
    def __init__(self, state: MemoryState) -> None:
        self._state = state

    def add(self, artifacts: Sequence[Artifact]) -> None:
        for new in artifacts:
            known = self._state.artifacts.get((new.run_id, new.name))
            if known is None or known.attempt < new.attempt:
                self._state.artifacts[(new.run_id, new.name)] = new
            elif known.attempt == new.attempt and known.sha256 != new.sha256:
                raise ArtifactConflict(new.name, known.sha256, new.sha256)

    def replace(self, artifact: Artifact) -> None:
        self._state.artifacts[(artifact.run_id, artifact.name)] = artifact

    def remove(self, run_id: str, names: Collection[str]) -> None:
        for name in names:
            self._state.artifacts.pop((run_id, name), None)

    def find(self, run_id: str, names: Collection[str]) -> dict[str, Artifact]:
        have = self._state.artifacts
        return {name: have[run_id, name] for name in names if (run_id, name) in have}

    def page(self, run_id: str, *, prefix: str, after: str, limit: int) -> list[Artifact]:
        mine = [a for (run, _), a in self._state.artifacts.items() if run == run_id]
        mine = [a for a in mine if a.name.startswith(prefix) and a.name.encode() > after.encode()]
        return sorted(mine, key=lambda artifact: artifact.name.encode())[:limit]
