"""An engine without threads: a test says which call of which target is carried out when.

Faults can be injected at each boundary: commits that fail before or after they are done, rows that
change unseen or cannot be read, targets that are slow, hang or answer with what was true earlier,
clocks that step, and a second engine that takes the lease.
"""

import random
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import create_engine, text

from dispatcher.core.errors import DispatcherError, StoreUnavailable
from dispatcher.core.runs.jobs import Evidence, Observation
from dispatcher.core.runs.lifecycle import ContactLost, ContactRegained, Run, Status, step
from dispatcher.core.runs.spec import RunSpec
from dispatcher.core.scheduling.plan import Capacity, Node
from dispatcher.engine.facts import TargetFacts
from dispatcher.engine.leadership import LEASE_SECONDS
from dispatcher.engine.loop import LOOK, Engine
from dispatcher.engine.messages import CallReturned, Message, Observed, Unreachable, Verb
from dispatcher.services.status import Fenced, StatusService
from dispatcher.store.leases.contract import Holder
from dispatcher.store.runs.contract import Change
from dispatcher.store.runs.testing import make
from dispatcher.store.sql import SqlStore
from dispatcher.wire.jobs import Job
from targets.base import TargetError, TargetUnavailable
from targets.fake import FakeTarget

T = TypeVar("T")
GOOD = Evidence(exit_code=0, started_at=1.0, ended_at=2.0)
BAD = Evidence(exit_code=3, started_at=1.0, ended_at=2.0)
LOST = Evidence(reason="supervisor lost", started_at=1.0, ended_at=2.0)


class FaultyStore(SqlStore):
    """A store whose next writes fail: before they are done, or after."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.faults: list[str] = []

    def write(self, work: Callable[[Any], T], actor: str = "service") -> T:
        fault = self.faults.pop() if self.faults else ""
        if fault == "before":
            raise StoreUnavailable("the connection broke before the commit")
        result = super().write(work, actor)
        if fault == "after":
            raise StoreUnavailable("the connection broke before the answer")
        return result


class SimulatedWorker:
    """The calls that wait at one target; a test carries them out."""

    def __init__(self, name: str, target: FakeTarget, post: Callable[[Message], None]) -> None:
        self.name, self.target, self.post = name, target, post
        self.calls: list[tuple[str, Any]] = []
        self._earlier: dict[str, Observation] = {}

    def launch(self, jobs: Sequence[Job]) -> None:
        self.calls.append(("launch", list(jobs)))

    def stop(self, names: Collection[str], grace: float) -> None:
        self.calls.append(("stop", list(names)))

    def remove(self, names: Collection[str]) -> None:
        self.calls.append(("remove", list(names)))

    def poll(self, names: Collection[str]) -> None:
        self.calls.append(("poll", list(names)))

    def carry_out(self, index: int, *, lie: bool = False) -> None:
        """Carry out one of the waiting calls; a lie answers a poll with what was true earlier."""
        verb, argument = self.calls.pop(index)
        if verb == "poll":
            self._poll(argument, lie=lie)
            return
        names = [job.name for job in argument] if verb == "launch" else argument
        failures: Any = {}
        try:
            if verb == "launch":
                failures = self.target.launch(argument)
            elif verb == "stop":
                self.target.stop(argument, 0)
            else:
                self.target.remove(argument)
        except TargetError as error:
            failures = dict.fromkeys(names, error)
        self.post(CallReturned(self.name, Verb(verb), names, failures))

    def fail(self, index: int) -> None:
        """One of the waiting calls fails without having been carried out."""
        verb, argument = self.calls.pop(index)
        if verb == "poll":
            self.post(Unreachable(self.name, argument))
            return
        names = [job.name for job in argument] if verb == "launch" else argument
        error = TargetUnavailable("the call timed out")
        self.post(CallReturned(self.name, Verb(verb), names, dict.fromkeys(names, error)))

    def _poll(self, names: list[str], *, lie: bool) -> None:
        try:
            jobs = self.target.poll(names)
        except TargetError:
            self.post(Unreachable(self.name, names))
            return
        earlier, self._earlier = self._earlier, dict(jobs)
        stale = {name: earlier[name] for name in names if name in earlier}
        self.post(Observed(self.name, stale if lie and stale else jobs))


class SimulatedTargets:
    """In place of `LiveTargets`: the same targets for every engine."""

    def __init__(self, targets: dict[str, FakeTarget], post: Callable[[Message], None]) -> None:
        self.workers = {
            name: SimulatedWorker(name, target, post) for name, target in targets.items()
        }

    def worker(self, name: str) -> SimulatedWorker | None:
        return self.workers.get(name)

    def refresh(self) -> None:
        """The targets never change."""

    def facts(self) -> dict[str, TargetFacts]:
        return {
            name: TargetFacts({"name": name}, worker.target._capacity, worker.target._capacity)
            for name, worker in self.workers.items()
        }


class Simulation:
    """One installation; the engine in charge can be replaced by another."""

    def __init__(self, folder: Path, seed: int, *, queueing: bool) -> None:
        self.random = random.Random(seed)
        self.url = f"sqlite:///{folder}/x.db"
        self.store = FaultyStore(self.url)
        self.wall, self.ticks = 1000.0, 0.0
        capacity = Capacity((Node("n", 2),), has_admission_queue=queueing)
        self.targets = {"t": FakeTarget(capacity), "u": FakeTarget(Capacity((Node("m", 1),)))}
        self.status = StatusService(self.store, lambda: self.wall)
        self.ids: list[str] = []
        self.broken: set[str] = set()
        self.engines = 0
        self.replace_engine()

    def replace_engine(self) -> None:
        """Another engine takes the lease; calls of the one before are carried out no more."""
        self.engines += 1
        self.wall += 10 * LEASE_SECONDS  # the lease of the one before has run out
        holder = Holder(f"instance{self.engines}", "1")
        self.engine = Engine(
            self.store, self.status, _one_job, holder, lambda: self.wall, ticks=lambda: self.ticks
        )
        self.live = SimulatedTargets(self.targets, self.engine.post)
        self.engine._targets = self.live  # type: ignore[assignment]
        for name, target in self.targets.items():
            target.watch(lambda jobs, name=name: self.engine.post(Observed(name, jobs)))  # type: ignore[misc]
        self._leading = False

    def turn(self) -> None:
        """One turn of the engine, with a look if it is time to."""
        try:
            if not self._leading:
                self._leading = self.engine._leadership.renew()
                if not self._leading:
                    return
                self.engine._view.clear()
                self.engine._audit.load()
                self.engine._look()
            self.engine._turn(self.engine._gather(0))
        except (Fenced, DispatcherError):
            self._leading = False

    def look(self) -> None:
        """Time passes, and the engine looks at everything."""
        self.wall += LOOK
        self.ticks += LOOK
        if self._leading:
            with suppress(DispatcherError):
                self.engine._leadership.renew()
                self.engine._look()
        self.turn()

    def submit(self, target: str, **fields: Any) -> None:
        run_id = f"r{len(self.ids)}"
        spec = RunSpec(id=run_id, experiment="e", command="true", target=target, **fields)
        run = make(run_id, target=target, **fields)
        assert run.spec == spec
        self.ids.append(run_id)  # it may be stored although the caller is told otherwise
        self.store.write(lambda tx: tx.runs.add([run]))

    def cancel(self) -> None:
        self.status.cancel(self.random.choice(self.ids))

    def end_a_job(self) -> None:
        target = self.random.choice(list(self.targets.values()))
        alive = sorted(target.alive())
        if alive:
            target.end(self.random.choice(alive), self.random.choice([GOOD, GOOD, BAD, LOST]))

    def carry_out(self, *, lie: bool = False) -> None:
        worker = self.random.choice(list(self.live.workers.values()))
        if worker.calls:
            worker.carry_out(self.random.randrange(len(worker.calls)), lie=lie)

    def fail_a_call(self) -> None:
        worker = self.random.choice(list(self.live.workers.values()))
        if worker.calls:
            worker.fail(self.random.randrange(len(worker.calls)))

    def change_a_row_unseen(self) -> None:
        """Somebody moves a run, and the engine is not told of it."""
        run = self.status.get(self.random.choice(self.ids))
        lost = run.not_responding_since is None
        event: Any = ContactLost(self.wall) if lost else ContactRegained()
        if run.status is Status.RUNNING:
            change = Change(run, step(run, event), (event,), self.wall)
            subscribers, self.store._feed._subscribers = self.store._feed._subscribers, []
            self.store.write(lambda tx: tx.runs.save([change]))
            self.store._feed._subscribers = subscribers

    def break_a_row(self) -> None:
        """A stored run can be read no more."""
        run_id = self.random.choice(self.ids)
        engine = create_engine(self.url)
        with engine.begin() as connection:
            connection.execute(text("UPDATE runs SET state = '{' WHERE id = :id"), {"id": run_id})
        engine.dispose()
        self.broken.add(run_id)

    def settle_down(self) -> None:
        """No more faults: whatever lives ends, until nothing is left to be done."""
        self.store.faults.clear()
        for target in self.targets.values():
            target.away = False
        for _ in range(400):
            for worker in self.live.workers.values():
                while worker.calls:
                    worker.carry_out(0)
            for target in self.targets.values():
                for name in target.alive():
                    target.end(name, GOOD)
            self.look()
            if not self.unfinished() and not any(w.calls for w in self.live.workers.values()):
                return

    def unfinished(self) -> list[str]:
        """Healthy runs that have not ended, or whose remains are there."""
        runs = self.store.read(lambda tx: tx.runs.get(self.ids)).values()
        return [run.id for run in runs if run.id not in self.broken and _owes(run)]

    def starts(self) -> Counter[str]:
        """How often each job was started."""
        return Counter(name for target in self.targets.values() for name in target.launches)


def _owes(run: Run) -> bool:
    return not run.terminal or run.owed


def _one_job(run: Run) -> list[Job]:
    return [Job(name, run.id, run.attempt, cpus=run.spec.cpus) for name in run.job_names]
