"""A target in memory, for tests of what drives targets."""

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import wraps
from typing import Any, TypeVar

from dispatcher.core.runs.jobs import ABSENT, Evidence, Observation, State
from dispatcher.core.scheduling.plan import Capacity, Node
from dispatcher.wire.jobs import Job
from targets.base import LaunchRefused, Report, TargetError, TargetUnavailable

_Call = TypeVar("_Call", bound=Callable[..., Any])


def _locked(call: _Call) -> _Call:
    """One call at a time: two threads may use a target."""

    @wraps(call)
    def locked(self: "FakeTarget", *arguments: Any, **options: Any) -> Any:
        with self._lock:
            return call(self, *arguments, **options)

    return locked  # type: ignore[return-value]


class FakeTarget:
    """Jobs in a dict. A job lives until it is stopped, or until a test ends or loses it.

    Attributes:
        observations: The observation of each job.
        launches: The names of the jobs that were started, in order.
        away: Whether every call raises TargetUnavailable.
        refuses: Run id → the text with which its launch is refused.
    """

    def __init__(self, capacity: Capacity | None = None) -> None:
        self._lock = threading.RLock()
        self.observations: dict[str, Observation] = {}
        self.launches: list[str] = []
        self.away = False
        self.refuses: dict[str, str] = {}
        self._jobs: dict[str, Job] = {}
        self._admission_queue: list[str] = []  # prefetched jobs that wait
        self._capacity = capacity or Capacity((Node("fake", 8),))
        self._report: Report | None = None

    @_locked
    def capacity(self) -> Capacity:
        self._require_reachable()
        return self._capacity

    @_locked
    def launch(self, jobs: Sequence[Job]) -> Mapping[str, TargetError]:
        self._require_reachable()
        failures: dict[str, TargetError] = {}
        for job in jobs:
            if job.run_id in self.refuses:
                failures[job.name] = LaunchRefused(self.refuses[job.run_id])
            elif job.name not in self.observations or (
                job.name in self._admission_queue and job.cpu_budget is None
            ):
                self._accept(job)
        return failures

    @_locked
    def poll(self, names: Collection[str]) -> Mapping[str, Observation]:
        self._require_reachable()
        return {name: self.observations.get(name, ABSENT) for name in names}

    @_locked
    def jobs(self) -> Mapping[str, Observation]:
        self._require_reachable()
        launched = {name: self.observations[name] for name in self._jobs}
        return {name: each for name, each in launched.items() if each.state is not State.REMOVED}

    @_locked
    def stop(self, names: Collection[str], grace: float) -> None:  # noqa: ARG002
        self._require_reachable()
        for name in names:
            if self.observations.get(name, ABSENT).state in (
                State.ALIVE,
                State.ABSENT,
                State.CREATED,
            ):
                self.end(name, Evidence(signal=15, reason="stopped"))

    @_locked
    def remove(self, names: Collection[str]) -> None:
        self._require_reachable()
        for name in names:
            if self.observations.get(name, ABSENT).state is State.EXITED:
                self.observations[name] = Observation(State.REMOVED)

    def watch(self, report: Report) -> None:
        self._report = report

    def close(self) -> None:
        self._report = None

    @_locked
    def end(self, name: str, evidence: Evidence) -> None:
        """The job ends so."""
        started = self.observations.get(name, ABSENT).started_at
        self.observations[name] = Observation(State.EXITED, started, evidence)
        self._notify(name)
        while self._admission_queue and self._fits_budget(self._admission_queue[0]):
            self._start(self._admission_queue[0])

    @_locked
    def lose(self, name: str) -> None:
        """Remove the job and its record; its durable claim stays."""
        self.observations[name] = Observation(State.REMOVED)

    @_locked
    def alive(self) -> set[str]:
        return {
            name
            for name, observation in self.observations.items()
            if observation.state is State.ALIVE
        }

    def _accept(self, job: Job) -> None:
        self._jobs[job.name] = job
        if job.cpu_budget is not None and not self._fits_budget(job.name):
            self.observations[job.name] = Observation(State.CREATED)
            self._admission_queue.append(job.name)
        else:
            self._start(job.name)

    def _start(self, name: str) -> None:
        if name in self._admission_queue:
            self._admission_queue.remove(name)
        if self.observations.get(name, ABSENT).state in (State.ABSENT, State.CREATED):
            self.launches.append(name)
            self.observations[name] = Observation(State.ALIVE, started_at=1.0)
            self._notify(name)

    def _fits_budget(self, name: str) -> bool:
        """Whether it can start; one that has ended in the line is let go."""
        job = self._jobs[name]
        used = sum(self._jobs[other].cpus for other in self.alive())
        return (
            self.observations.get(name, ABSENT).state is State.EXITED
            or job.cpu_budget is None
            or (used + job.cpus <= job.cpu_budget)
        )

    def _notify(self, name: str) -> None:
        if self._report is not None:
            self._report({name: self.observations[name]})

    def _require_reachable(self) -> None:
        if self.away:
            raise TargetUnavailable("the fake is away")
