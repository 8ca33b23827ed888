"""A service without HTTP over fake targets, for tests of engine and services."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dispatcher.access.permissions import SERVICE_GRANT
from dispatcher.access.secrets import SecretStore
from dispatcher.core.runs.lifecycle import Run
from dispatcher.core.runs.spec import RunSpec
from dispatcher.core.scheduling.plan import Capacity, Node
from dispatcher.engine.loop import Engine
from dispatcher.engine.workers.live_targets import LiveTargets
from dispatcher.services.catalog import Catalog
from dispatcher.services.inheritances import Inheritances
from dispatcher.services.parking import ParkingService
from dispatcher.services.snapshots import SnapshotService
from dispatcher.services.status import StatusService
from dispatcher.services.submission import SubmissionService
from dispatcher.store.content.blobs import Blobs
from dispatcher.store.contract import Store
from dispatcher.store.leases.contract import Holder
from dispatcher.wire.jobs import Job
from targets.fake import FakeTarget


@dataclass
class FakeKinds:
    """Builds fake targets; remembers them by name, so that a second engine finds the same world."""

    targets: dict[str, FakeTarget] = field(default_factory=dict)

    def parse(self, config: Mapping[str, Any]) -> dict[str, Any]:
        return dict(config)

    def shown(self, config: Mapping[str, Any]) -> dict[str, Any]:
        return dict(config)

    def build(self, config: Mapping[str, Any]) -> FakeTarget:
        return self.targets[config["name"]]


class Installation:
    """Engine and services over one store."""

    def __init__(
        self, store: Store, kinds: FakeKinds, tmp: str, clock: Callable[[], float]
    ) -> None:
        self.store, self.kinds = store, kinds
        self.status = StatusService(store, clock)
        holder = Holder(f"installation-{time.monotonic_ns()}", "1")
        self.engine = Engine(store, self.status, one_job, holder, clock)
        self.targets = LiveTargets(store, kinds, self.engine.post)
        self.catalog = Catalog(store, self.targets, clock)
        snapshots = SnapshotService(Blobs(f"{tmp}/blobs"), store)
        self.submission = SubmissionService(
            store,
            self.catalog,
            snapshots,
            Inheritances(Path(tmp) / "inheritances"),
            SecretStore(Path(tmp), {}),
            clock,
        )
        self.parking = ParkingService(store, self.status, self.targets)
        for name in kinds.targets:
            store.write(lambda tx, name=name: tx.registry.put_target(name, {"name": name}))  # type: ignore[misc]

    def start(self) -> "Installation":
        self.engine.start(self.targets)
        return self

    def stop(self) -> None:
        self.engine.stop()
        self.targets.close()

    def submit(self, *names: str, **fields: Any) -> list[Run]:
        specs = [
            RunSpec(**{"id": n, "experiment": "e", "command": "true", "target": "t", **fields})
            for n in names
        ]
        return self.submission.submit(specs, SERVICE_GRANT)

    def until(self, enough: Callable[[], bool], seconds: float = 15) -> None:
        """Wait for something to become true; the engine runs in its own thread."""
        deadline = time.monotonic() + seconds
        while not enough():
            assert time.monotonic() < deadline, "it did not happen"
            time.sleep(0.005)

    def status_of(self, run_id: str) -> str:
        return self.status.get(run_id).shown_status


def one_job(run: Run) -> list[Job]:
    return [Job(name, run.id, run.attempt) for name in run.job_names]


def fakes(cpus: float = 2, **more: Capacity) -> FakeKinds:
    """A target `t` with that many CPUs, and others as given."""
    capacities = {"t": Capacity((Node("n", cpus),)), **more}
    return FakeKinds({name: FakeTarget(capacity) for name, capacity in capacities.items()})
