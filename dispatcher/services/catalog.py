"""Compute targets and experiments by name, and what a target's configuration adds to a run."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from dispatcher.core.errors import Conflict, ExperimentNotFound, InvalidSpec, TargetNotFound
from dispatcher.core.runs.jobs import State
from dispatcher.core.runs.spec import RunSpec
from dispatcher.core.scheduling.plan import Capacity, place
from dispatcher.core.scheduling.requests import default_gpus, request_of
from dispatcher.store.commits import Commit
from dispatcher.store.contract import Store, Transaction
from dispatcher.store.registry.contract import Experiment
from dispatcher.store.runs.mlflow_terms import DELETED_EXPERIMENT

PING_SECONDS = 30.0
ATTACH_SECONDS = 5.0


class TargetDirectory(Protocol):
    """What the engine tells of live targets; the services never see one."""

    def check(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """The configuration as it is to be stored. Raises InvalidSpec, naming the field."""

    def shown(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """The configuration without its secrets."""

    def capacity(self, name: str) -> Capacity | None:
        """All of it, nodes included that are away for a while; None if it never answered."""

    def present(self, name: str) -> Capacity | None:
        """What of it answers now; None if nothing does."""

    def answers(self, name: str) -> bool:
        """Whether it answered when it was asked last."""

    def orphan_jobs(self, name: str) -> Mapping[str, State]:
        """The jobs that it has and no run accounts for (`services.orphan_jobs`), as seen last."""

    def changed(self) -> None:
        """Configurations have changed: look at them again."""

    def measure(self, name: str, seconds: float) -> None:
        """Ask the target what it has, and wait that long for its answer."""

    def clear(self, name: str, seconds: float) -> bool:
        """Begin to end its orphan jobs; whether the target was told so within that time."""


class Catalog:
    """Targets and experiments."""

    def __init__(self, store: Store, targets: TargetDirectory, clock: Callable[[], float]) -> None:
        self._store = store
        self._targets = targets
        self._clock = clock
        self._config_changes = 0
        self._configs_read: dict[str, dict[str, Any]] | None = None
        store.subscribe(self._committed)

    def targets(self) -> dict[str, dict[str, Any]]:
        """All targets by name, without their secrets."""
        found = self._store.read(lambda tx: tx.registry.targets())
        return {name: self._show(name, config) for name, config in found.items()}

    def target(self, name: str) -> dict[str, Any]:
        """Raises TargetNotFound."""
        return self._show(name, self._configs(name)[name])

    def attach(self, name: str, config: Mapping[str, Any]) -> dict[str, Any]:
        """Add or change a target. Raises InvalidSpec."""
        stored = self._targets.check({**config, "name": name})
        self._store.write(lambda tx: tx.registry.put_target(name, stored))
        self._targets.changed()
        self._targets.measure(name, ATTACH_SECONDS)
        return self._show(name, stored)

    def ping(self, name: str) -> dict[str, Any]:
        """Ask the target now; what is known of it then. Raises TargetNotFound."""
        self._configs(name)
        self._targets.measure(name, PING_SECONDS)
        return self.target(name)

    def clear(self, name: str) -> dict[str, Any]:
        """End the jobs that no run accounts for; the target as it is then.

        Raises TargetNotFound, and Conflict if the target does not answer.
        """
        self._configs(name)
        if not self._targets.clear(name, PING_SECONDS):
            raise Conflict(f"{name} does not answer, so nothing of it is cleared: ping it first")
        return self.target(name)

    def detach(self, name: str) -> None:
        """Forget a target. Raises TargetNotFound, and Conflict while runs are on it."""
        self._configs(name)

        def work(tx: Any) -> None:
            busy = [run.id for run in tx.runs.owed(target=name) if not run.terminal]
            if busy:
                raise Conflict(f"{name} has {len(busy)} runs ({busy[0]}, …): cancel them first")
            tx.registry.delete_target(name)

        self._store.write(work)
        self._targets.changed()

    def configs(self) -> dict[str, dict[str, Any]]:
        """The stored configurations of all targets, by name; read again after each change."""
        if self._configs_read is not None:
            return self._configs_read
        changes = self._config_changes
        configs = self._store.read(lambda tx: tx.registry.targets())
        if changes == self._config_changes:
            self._configs_read = configs
        return configs

    def _committed(self, commit: Commit) -> None:
        if any(event.kind.startswith("target.") for event in commit.events):
            self._config_changes += 1
            self._configs_read = None

    def complete(
        self, specs: Sequence[RunSpec], configs: Mapping[str, Mapping[str, Any]]
    ) -> list[RunSpec]:
        """The specs with what their targets' configurations add; refuses what can never fit there.

        Raises TargetNotFound, InvalidSpec.
        """
        return [spec if spec.interactive else self._complete(spec, configs) for spec in specs]

    def _complete(self, spec: RunSpec, configs: Mapping[str, Mapping[str, Any]]) -> RunSpec:
        if spec.target not in configs:
            raise TargetNotFound(spec.target, list(configs))
        capacity = self._targets.capacity(spec.target)
        if spec.gpus is None:
            gpus = default_gpus(configs[spec.target], capacity)
            spec = spec.model_copy(update={"gpus": gpus})
        if capacity is not None and capacity.nodes:
            request = request_of(spec, (1, 0, 0))
            if place({node.name: node for node in capacity.nodes}, request) is None:
                raise InvalidSpec(
                    f"run {spec.id}: needs {request.describe()} (gpus={spec.gpus}, "
                    f"cpus={spec.cpus:g}, node_count={spec.node_count}); "
                    f"all of {spec.target} has {capacity.describe()}"
                )
        return spec

    def experiment(self, name: str) -> Experiment:
        """Get or create."""
        now = self._clock()
        return self._store.write(lambda tx: tx.registry.experiment(name, now=now))

    def experiments(self) -> list[Experiment]:
        return self._store.read(lambda tx: tx.registry.experiments())

    def change_experiment(
        self,
        name: str,
        tags: Mapping[str, str | None],
        remove_tags: Collection[str],
        archived: bool | None,
    ) -> Experiment:
        """Change an experiment's tags, archive it or bring it back. Raises ExperimentNotFound."""
        now = self._clock()

        def work(tx: Transaction) -> Experiment:
            known = _require_experiment(tx, name)
            kept = {key: value for key, value in known.tags.items() if key not in remove_tags}
            at = known.archived_at
            if archived is not None:
                at = (at or now) if archived else None
                tx.registry.delete_meta(f"{DELETED_EXPERIMENT}{known.id}")
            changed = replace(known, tags={**kept, **tags}, archived_at=at)
            tx.registry.put_experiment(changed)
            return changed

        return self._store.write(work)

    def _configs(self, name: str) -> dict[str, dict[str, Any]]:
        configs = self.configs()
        if name not in configs:
            raise TargetNotFound(name, list(configs))
        return configs

    def _show(self, name: str, config: Mapping[str, Any]) -> dict[str, Any]:
        capacity = self._targets.present(name)
        shown = self._targets.shown(config)
        shown["answers"] = self._targets.answers(name)
        shown["capacity"] = None if capacity is None else capacity.describe()
        shown["orphan_jobs"] = dict(self._targets.orphan_jobs(name))
        return shown


def _require_experiment(tx: Transaction, name: str) -> Experiment:
    for experiment in tx.registry.experiments():
        if experiment.name == name:
            return experiment
    raise ExperimentNotFound(name)
