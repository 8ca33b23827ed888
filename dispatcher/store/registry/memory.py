"""Experiments, targets and facts of the installation, in memory."""

import uuid
from collections.abc import Collection, Mapping
from typing import Any

from dispatcher.store.events.contract import Events, NewEvent
from dispatcher.store.memory_state import MemoryState
from dispatcher.store.registry.contract import Experiment


class MemoryRegistry:
    def __init__(self, state: MemoryState, events: Events) -> None:
        self._state = state
        self._events = events

    def experiment(self, name: str, *, now: float, new_id: str | None = None) -> Experiment:
        new = Experiment(new_id or str(uuid.uuid4()), name, now)
        if name not in self._state.experiments:
            self._events.add([NewEvent("experiment.Created", name, now)])
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
            self._events.add([NewEvent("experiment.Changed", experiment.name)])

    def delete_experiment(self, name: str) -> None:
        self._state.experiments.pop(name, None)
        self._events.add([NewEvent("experiment.Deleted", name)])

    def targets(self) -> dict[str, dict[str, Any]]:
        return dict(sorted(self._state.targets.items()))

    def put_target(self, name: str, config: Mapping[str, Any]) -> None:
        self._state.targets[name] = dict(config)
        self._events.add([NewEvent("target.Attached", name)])

    def delete_target(self, name: str) -> bool:
        there = self._state.targets.pop(name, None) is not None
        if there:
            self._events.add([NewEvent("target.Detached", name)])
        return there

    def lock(self, name: str) -> None:
        """One transaction writes at a time anyway."""

    def meta(self, key: str, default: str) -> str:
        return self._state.meta.setdefault(key, default)

    def find_meta(self, key: str) -> str | None:
        return self._state.meta.get(key)

    def delete_meta(self, key: str) -> None:
        self._state.meta.pop(key, None)

    def put_meta(self, key: str, value: str) -> None:
        self._state.meta[key] = value
