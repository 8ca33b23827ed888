"""What refers to contents and logs, in memory."""

from collections.abc import Collection, Sequence

from dispatcher.store.memory_state import MemoryState
from dispatcher.store.retention.contract import LogKey, StoredSize
from dispatcher.store.retention.sweep_snapshots import snapshots_of


class MemoryReferences:
    """See `contract.References`."""

    def __init__(self, state: MemoryState) -> None:
        self._state = state

    def artifacts(self, prefix: str) -> set[str]:
        found = (artifact.sha256 for artifact in self._state.artifacts.values())
        return {digest for digest in found if digest.startswith(prefix)}

    def snapshots(self) -> set[str]:
        specs = [run.spec for run in self._state.runs.values()]
        contexts = {spec.environment.context for spec in specs if spec.environment}
        of_runs = {each for each in {spec.snapshot for spec in specs} | contexts if each}
        open_sweeps = (sweep for sweep in self._state.sweeps.values() if not sweep.over)
        return of_runs | snapshots_of(open_sweeps)

    def among(self, digests: Collection[str]) -> set[str]:
        return set(digests) & (self.artifacts("") | self.snapshots())

    def logs(self, after: LogKey | None, limit: int) -> list[LogKey]:
        logs = sorted(key for key in self._state.offsets if key[2].startswith("log:"))
        return [key for key in logs if after is None or key > after][:limit]

    def tree_sizes(self, ids: Sequence[str]) -> dict[str, int]:
        return {run_id: self._tree_size(run_id) for run_id in ids}

    def _tree_size(self, run_id: str) -> int:
        runs = self._state.runs.values()
        names = {run.id: run_id for run in runs if run_id in (run.id, *run.lineage)}
        return sum(each.files + each.logs for each in self._largest(names, 1))

    def total_size(self) -> int:
        return sum(each.files + each.logs for each in self.largest_runs(len(self._state.runs)))

    def largest_runs(self, limit: int) -> list[StoredSize]:
        return self._largest({run.id: run.id for run in self._state.runs.values()}, limit)

    def largest_experiments(self, limit: int) -> list[StoredSize]:
        names = {run.id: run.spec.experiment for run in self._state.runs.values()}
        return self._largest(names, limit)

    def _largest(self, names: dict[str, str], limit: int) -> list[StoredSize]:
        """The largest of the groups that `names` puts runs into."""
        sizes: dict[str, tuple[int, int]] = {}
        experiments: dict[str, str] = {}

        def count(run_id: str, files: int, logs: int) -> None:
            name = names.get(run_id)
            if name is not None:
                had = sizes.get(name, (0, 0))
                sizes[name] = (had[0] + files, had[1] + logs)
                experiments[name] = self._state.runs[run_id].spec.experiment

        for artifact in self._state.artifacts.values():
            count(artifact.run_id, artifact.size, 0)
        for (run_id, _, stream), size in self._state.offsets.items():
            if stream.startswith("log:"):
                count(run_id, 0, size)
        usages = [StoredSize(name, experiments[name], *both) for name, both in sizes.items()]
        return sorted(usages, key=lambda each: (-each.files - each.logs, each.name))[:limit]
