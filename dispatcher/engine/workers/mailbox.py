"""What waits to be asked of one target: bounded, and coalesced.

A mailbox holds at most one entry for each job and kind of question. Asking again for what waits
already adds nothing: of polls the newest counts. A stop passes everything. A request whose caller
has given up is withdrawn.
"""

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from dispatcher.wire.jobs import Job

POLL_AT_ONCE = 2_000  # jobs in one poll


@dataclass(frozen=True)
class StopCall:
    names: Collection[str]
    grace: float


@dataclass(frozen=True)
class PollCall:
    names: Collection[str]


@dataclass(frozen=True)
class RemoveCall:
    names: Collection[str]


@dataclass(frozen=True)
class MeasureCall:
    """Ask for the capacity. `thorough`: and for all jobs, even if that was asked a moment ago."""

    thorough: bool
    done: Sequence[threading.Event]


@dataclass
class RequestCall:
    """Something that a caller waits for."""

    ask: Callable[[], None]
    done: threading.Event = field(default_factory=threading.Event)


ControlCall = StopCall | PollCall | RemoveCall | MeasureCall | RequestCall


class ControlMailbox:
    """All questions but launches. Any thread puts, one takes."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._closed = False
        self._stops: dict[float, dict[str, None]] = {}  # by grace period
        self._requests: list[RequestCall] = []
        self._polls: dict[str, None] = {}
        self._removals: dict[str, None] = {}
        self._measure: MeasureCall | None = None

    def stop(self, names: Collection[str], grace: float) -> None:
        """Stop these jobs, before anything else that waits."""
        with self._changed:
            self._stops.setdefault(grace, {}).update(dict.fromkeys(names))
            self._changed.notify()

    def poll(self, names: Collection[str]) -> None:
        """Look at these jobs."""
        with self._changed:
            self._polls.update(dict.fromkeys(names))
            self._changed.notify()

    def remove(self, names: Collection[str]) -> None:
        """Remove the remains of these jobs."""
        with self._changed:
            self._removals.update(dict.fromkeys(names))
            self._changed.notify()

    def measure(self, *, thorough: bool) -> threading.Event:
        """Ask for the capacity; the event is set once it was asked."""
        done = threading.Event()
        with self._changed:
            known = self._measure or MeasureCall(False, ())
            self._measure = MeasureCall(known.thorough or thorough, (*known.done, done))
            self._changed.notify()
        return done

    def request(self, ask: Callable[[], None]) -> RequestCall:
        """Have something done. `withdraw` takes it back."""
        call = RequestCall(ask)
        with self._changed:
            self._requests.append(call)
            self._changed.notify()
        return call

    def withdraw(self, call: RequestCall) -> bool:
        """Take a request back; False if it has been begun already."""
        with self._changed:
            if call not in self._requests:
                return False
            self._requests.remove(call)
            return True

    def close(self) -> None:
        """Let `take` return None once nothing waits."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def take(self) -> ControlCall | None:
        """Wait for the next call, the most urgent first; None when the mailbox is closed."""
        with self._changed:
            while True:
                call = self._next()
                if call is not None or self._closed:
                    return call
                self._changed.wait()

    def __len__(self) -> int:
        with self._changed:
            stops = sum(map(len, self._stops.values()))
            rest = len(self._requests) + bool(self._measure)
            return stops + len(self._polls) + len(self._removals) + rest

    def _next(self) -> ControlCall | None:
        if self._stops:
            grace, names = self._stops.popitem()
            return StopCall(list(names), grace)
        if self._requests:
            return self._requests.pop(0)
        if self._measure is not None:
            call, self._measure = self._measure, None
            return call
        if self._polls:
            return PollCall(_take_some(self._polls, POLL_AT_ONCE))
        if self._removals:
            names, self._removals = self._removals, {}
            return RemoveCall(list(names))
        return None


class LaunchMailbox:
    """Jobs that wait to be launched, by name. Any thread puts, one takes."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._closed = False
        self._jobs: dict[str, Job] = {}

    def put(self, jobs: Sequence[Job]) -> None:
        """Launch these; a job that waits already is replaced by the newer one."""
        with self._changed:
            self._jobs.update({job.name: job for job in jobs})
            self._changed.notify()

    def withdraw(self, names: Collection[str]) -> list[str]:
        """Take back those of the jobs that wait still; their names."""
        with self._changed:
            return [name for name in names if self._jobs.pop(name, None) is not None]

    def close(self) -> None:
        """Let `take` return None once nothing waits."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def take(self) -> Mapping[str, Job] | None:
        """Wait for jobs and take all; None when the mailbox is closed."""
        with self._changed:
            while not self._jobs:
                if self._closed:
                    return None
                self._changed.wait()
            jobs, self._jobs = self._jobs, {}
            return jobs

    def __len__(self) -> int:
        with self._changed:
            return len(self._jobs)


def _take_some(names: dict[str, None], count: int) -> list[str]:
    some = list(names)[:count]
    for name in some:
        del names[name]
    return some
