"""Files of runs, experiments, targets and leases of the store in memory."""

import uuid
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from dispatcher.core.errors import ArtifactConflict
from dispatcher.core.sweeps import Sweep
from dispatcher.store.memory_state import State
from dispatcher.store.records import Artifact, Experiment, Holder


class MemoryArtifacts:
    def __init__(self, state: State) -> None:
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


class MemoryRegistry:
    def __init__(self, state: State) -> None:
        self._state = state

    def experiment(self, name: str, *, now: float, new_id: str | None = None) -> Experiment:
        new = Experiment(new_id or str(uuid.uuid4()), name, now)
        return self._state.experiments.setdefault(name, new)

    def experiments(self) -> list[Experiment]:
        return sorted(self._state.experiments.values(), key=lambda each: each.created_at)

    def find_experiments(self, names: Collection[str]) -> dict[str, Experiment]:
        have = self._state.experiments
        return {name: have[name] for name in names if name in have}

    def experiment_by_id(self, experiment_id: str) -> Experiment | None:
        known = self._state.experiments.values()
        return next((each for each in known if each.id == experiment_id), None)

    def put_experiment(self, experiment: Experiment) -> None:
        if experiment.name in self._state.experiments:
            self._state.experiments[experiment.name] = experiment

    def delete_experiment(self, name: str) -> None:
        self._state.experiments.pop(name, None)

    def targets(self) -> dict[str, dict[str, Any]]:
        return dict(sorted(self._state.targets.items()))

    def put_target(self, name: str, config: Mapping[str, Any]) -> None:
        self._state.targets[name] = dict(config)

    def delete_target(self, name: str) -> bool:
        return self._state.targets.pop(name, None) is not None

    def recall(self, key: str) -> tuple[str, str] | None:
        return self._state.answers.get(key)

    def remember(self, key: str, digest: str, answer: str, *, now: float) -> None:  # noqa: ARG002
        self._state.answers.setdefault(key, (digest, answer))

    def meta(self, key: str, default: str) -> str:
        return self._state.meta.setdefault(key, default)

    def put_meta(self, key: str, value: str) -> None:
        self._state.meta[key] = value

    def acquire(self, name: str, holder: Holder, *, now: float, ttl: float) -> int | None:
        held, token, expires = self._state.leases.get(name, ("", 0, 0.0))
        if not holder.may_replace(held) and expires > now:
            return None
        token += held != str(holder)
        self._state.leases[name] = (str(holder), token, now + ttl)
        return token

    def fenced(self, name: str, token: int) -> bool:
        return self._state.leases.get(name, ("", 0, 0.0))[1] != token


class MemorySweeps:
    def __init__(self, state: State) -> None:
        self._state = state

    def put(self, sweep: Sweep) -> None:
        self._state.sweeps[sweep.run_id] = sweep

    def get(self, ids: Collection[str]) -> dict[str, Sweep]:
        return {each: self._state.sweeps[each] for each in ids if each in self._state.sweeps}

    def unfinished(self) -> dict[str, Sweep]:
        return {each.run_id: each for each in self._state.sweeps.values() if not each.over}
