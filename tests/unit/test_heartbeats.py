"""Interactive runs read NotResponding once their process is gone, and end by the stated rule."""

from dataclasses import dataclass, field

import pytest

from dispatcher.access.permissions import SERVICE_GRANT
from dispatcher.core.runs.lifecycle import Completed, Failed, Run, Status, first
from dispatcher.core.runs.spec import RunSpec
from dispatcher.services.heartbeats import LOST_SECONDS, Heartbeats
from dispatcher.services.status import StatusService
from dispatcher.store.memory import MemoryStore
from tests.rigs.waiting import until

END = 3600.0


@dataclass
class Bench:
    """Heartbeats over a store in memory; time passes by `sleep` alone."""

    now: float = 1000.0
    store: MemoryStore = field(default_factory=MemoryStore)

    def __post_init__(self) -> None:
        self.status = StatusService(self.store, self.clock)
        self.heartbeats = self.service()

    def clock(self) -> float:
        return self.now

    def service(self) -> Heartbeats:
        made = Heartbeats(self.store, self.status, self.clock, self.clock, END)
        self.store.subscribe(made._committed)
        return made

    def add(self, run_id: str, *, heartbeat: bool = True, parent: Run | None = None) -> Run:
        spec = RunSpec(
            id=run_id,
            experiment="e",
            interactive=True,
            heartbeat=heartbeat,
            parent_id=parent.id if parent else None,
        )
        run = first(spec, now=self.now, parent=parent)
        made = self.store.write(lambda tx: tx.runs.add([run]))[0]
        self.heartbeats._take([made])
        return made

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.heartbeats.check()

    def shown(self, run_id: str) -> str:
        return self.status.get(run_id).shown_status

    def reads(self, run_id: str, status: str) -> None:
        until(lambda: self.shown(run_id) == status, f"{run_id} reads {status}", 5)
        version = self.status.get(run_id).version
        until(lambda: self._known_version(run_id) in (None, version), "the commit has come", 5)

    def _known_version(self, run_id: str) -> int | None:
        entry = self.heartbeats._watched.get(run_id)
        return entry.run.version if entry else None


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_silent_run_reads_not_responding_and_runs_again_with_its_next_heartbeat(
    bench: Bench,
) -> None:
    bench.add("r")
    bench.sleep(LOST_SECONDS - 1)
    assert bench.shown("r") == "Running"
    bench.sleep(2)
    bench.reads("r", "NotResponding")

    assert bench.heartbeats.beat(["r"], SERVICE_GRANT) == []
    bench.reads("r", "Running")
    bench.sleep(LOST_SECONDS - 1)
    assert bench.shown("r") == "Running"


def test_a_run_that_stays_silent_fails_after_the_configured_time(bench: Bench) -> None:
    bench.add("r")
    bench.sleep(LOST_SECONDS)
    bench.reads("r", "NotResponding")
    bench.sleep(END - 1)
    assert bench.shown("r") == "NotResponding"
    bench.sleep(2)
    bench.reads("r", "Failed")

    error = bench.status.get("r").error
    assert error is not None
    assert error["error"]["code"] == "ProcessLost"
    assert bench.heartbeats.beat(["r"], SERVICE_GRANT) == ["r"]


def test_a_child_whose_script_has_ended_fails_without_further_delay(bench: Bench) -> None:
    spec = RunSpec(id="p", experiment="e", script="main.py")
    queued = first(spec, now=bench.now, parent=None)
    parent = bench.store.write(lambda tx: tx.runs.add([queued]))[0]
    bench.add("c", parent=parent)
    bench.status.record("p", Failed(bench.now, {"error": {"code": "UserError"}}))
    bench.sleep(LOST_SECONDS)

    def has_failed() -> bool:
        bench.sleep(1)
        return bench.shown("c") == "Failed"

    until(has_failed, "the child has failed", 5)
    assert bench.now < 1000 + END


def test_runs_without_heartbeats_and_ended_runs_are_left_alone(bench: Bench) -> None:
    bench.add("mlflow", heartbeat=False)
    bench.add("done")
    bench.status.record("done", Completed(bench.now))
    bench.sleep(END * 2)

    assert bench.shown("mlflow") == "Running"
    assert bench.shown("done") == "Completed"


def test_a_service_that_was_started_again_finds_the_runs_and_waits_for_their_heartbeats(
    bench: Bench,
) -> None:
    bench.add("r")
    bench.now += END * 2  # while no service ran
    again = Heartbeats(bench.store, bench.status, bench.clock, bench.clock, END)
    again.start()
    try:
        again.check()
        assert bench.shown("r") == Status.RUNNING.value
        bench.now += LOST_SECONDS
        again.check()
        until(lambda: bench.shown("r") == "NotResponding", "it reads NotResponding", 5)
    finally:
        again.stop()
