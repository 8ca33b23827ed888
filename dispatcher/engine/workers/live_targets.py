"""The live targets by name, following the configurations in the store.

It is also what the services know of targets (`services.catalog.TargetDirectory`).
"""

import threading
from collections.abc import Mapping
from typing import Any, Protocol

from dispatcher.core.runs.jobs import State
from dispatcher.core.scheduling.plan import Capacity
from dispatcher.engine.facts import TargetFacts
from dispatcher.engine.workers.inventory import Inventory
from dispatcher.engine.workers.worker import Report, Worker
from dispatcher.store.contract import Store
from targets.base import Target


class TargetKinds(Protocol):
    """How configurations become targets; `server.target_factory` knows the kinds."""

    def parse(self, config: Mapping[str, Any]) -> dict[str, Any]: ...
    def shown(self, config: Mapping[str, Any]) -> dict[str, Any]: ...
    def build(self, config: Mapping[str, Any]) -> Target: ...


class LiveTargets:
    """A worker for each target that is attached."""

    def __init__(self, store: Store, factory: TargetKinds, report: Report) -> None:
        self._store, self._factory, self._report = store, factory, report
        self._workers: dict[str, Worker] = {}
        self._lock = threading.Lock()

    def worker(self, name: str) -> Worker | None:
        """The worker of a target, if it is attached."""
        return self._workers.get(name)

    def refresh(self) -> None:
        """Connect to targets that are new or changed, let go of the others, measure all."""
        configs = self._store.read(lambda tx: tx.registry.targets())
        with self._lock:
            for name, worker in list(self._workers.items()):
                if configs.get(name) != worker.config:
                    self._workers.pop(name).close()
            for name, config in configs.items():
                if name not in self._workers:
                    self._workers[name] = self._worker(name, config)
                self._workers[name].measure()

    def facts(self) -> dict[str, TargetFacts]:
        """What is known of each target."""
        return {name: worker.facts for name, worker in list(self._workers.items())}

    def close(self) -> None:
        """Let go of all targets. Their jobs go on."""
        for worker in list(self._workers.values()):
            worker.close()

    def end_all_jobs(self, seconds: float) -> None:
        """End the jobs of all targets, because the folder of the service was deleted."""
        threads = [
            threading.Thread(target=worker.end_jobs, args=(seconds,), daemon=True)
            for worker in list(self._workers.values())
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(seconds)

    def check(self, config: Mapping[str, Any]) -> dict[str, Any]:
        return self._factory.parse(config)

    def shown(self, config: Mapping[str, Any]) -> dict[str, Any]:
        return self._factory.shown(config)

    def capacity(self, name: str) -> Capacity | None:
        worker = self._workers.get(name)
        return None if worker is None else worker.facts.whole

    def present(self, name: str) -> Capacity | None:
        worker = self._workers.get(name)
        return None if worker is None else worker.present

    def changed(self) -> None:
        self.refresh()

    def config(self, name: str) -> Mapping[str, Any]:
        """The stored configuration of a target; empty if it is not attached."""
        worker = self._workers.get(name)
        return {} if worker is None else worker.config

    def measure(self, name: str, seconds: float) -> None:
        worker = self._workers.get(name)
        if worker is not None:
            worker.measure(thorough=True).wait(seconds)

    def orphan_jobs(self, name: str) -> Mapping[str, State]:
        worker = self._workers.get(name)
        return {} if worker is None else worker.inventory.orphans

    def clear(self, name: str, seconds: float) -> bool:
        worker = self._workers.get(name)
        return worker is not None and worker.clear(seconds)

    def answers(self, name: str) -> bool:
        worker = self._workers.get(name)
        return worker is not None and worker.answers

    def _worker(self, name: str, config: Mapping[str, Any]) -> Worker:
        inventory = Inventory(name, self._store)
        return Worker(name, config, lambda: self._factory.build(config), self._report, inventory)
