"""What is placed, what was last seen of it, and which calls are under way. Memory only: all of it
can be read anew.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import islice

from dispatcher.core.jobs import ABSENT, Observation, State, combine
from dispatcher.core.lifecycle import Run, Slot

AGAIN = 1.5  # seconds before the same is asked of the same job again
REMOVE_EVERY = 0.5
REMOVE_AT_ONCE = 100
NOT_YET = (State.ABSENT, State.CREATED)
_BEHIND: Mapping[State | None, Collection[State]] = {
    State.ALIVE: (State.CREATED,),
    State.EXITED: (*NOT_YET, State.ALIVE, State.UNKNOWN),  # how it ended is known
}


class Ledger:
    """The engine's mirror of owed runs."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self._asked: dict[tuple[str, str], float] = {}  # (job name, verb) -> when it was asked last
        self._removals: dict[str, list[str]] = {}  # target -> jobs whose remains can go
        self._removed = 0.0
        self._runs: dict[str, Run] = {}
        self._owner: dict[str, str] = {}  # job name -> run id
        self._seen: dict[str, Observation] = {}
        self._busy: dict[str, str] = {}  # job name -> verb of the call under way
        self._by_target: dict[str, dict[str, None]] = {}  # in the order of their placing

    def get(self, run_id: str) -> Run | None:
        return self._runs.get(run_id)

    def runs(self) -> Iterable[Run]:
        return self._runs.values()

    def is_crowded(self, few: int) -> bool:
        """Whether more runs than these few hold what they were given; the newest are looked at."""
        holding = (run for run in reversed(self._runs.values()) if run.holds)
        return next(islice(holding, few, None), None) is not None

    def of_target(self, target: str) -> Iterable[Run]:
        return (self._runs[run_id] for run_id in self._by_target.get(target, ()))

    def lends(self, target: str) -> bool:
        """Whether a parent there has lent its CPUs."""
        return any(run.slot is Slot.LENT for run in self.of_target(target))

    def parents_wait(self, target: str) -> bool:
        """Whether a parent there waits for its children, or for its slot."""
        runs = self.of_target(target)
        return any(run.waits_for or run.slot is not Slot.HELD for run in runs)

    def put(self, run: Run) -> bool:
        """Follow a run as committed; False if a newer one is known already."""
        known = self._runs.get(run.id)
        if known is not None and known.version >= run.version:
            return False
        if known is not None and known.attempt != run.attempt:
            self._forget_jobs(known)
        if not run.owed:
            self.drop(run.id)
            return True
        self._runs[run.id] = run
        self._by_target.setdefault(run.spec.target, {})[run.id] = None
        for name in run.job_names:
            self._owner[name] = run.id
        return True

    def drop(self, run_id: str) -> None:
        run = self._runs.pop(run_id, None)
        if run is not None:
            self._by_target[run.spec.target].pop(run_id, None)
            self._forget_jobs(run)

    def replace(self, runs: Sequence[Run]) -> None:
        """Take the store's word for what is owed; what was seen of it is kept.

        Not of a run of which more is known here than in the store, or other things: then the store
        has gone back to an earlier state, and what is known here never happened.
        """
        there = {run.id: run for run in runs}
        for known in list(self._runs.values()):
            told = there.get(known.id)
            if told is None or told.version < known.version or told.placement != known.placement:
                self.drop(known.id)
        for run in runs:
            self.put(run)

    def placed_now(self, run: Run) -> None:
        """A run that this engine has just placed: its jobs were never launched before."""
        self.put(run)
        self._seen.update(dict.fromkeys(run.job_names, ABSENT))

    def placed_at(self, target: str, jobs: Mapping[str, Observation]) -> dict[str, Observation]:
        """Those jobs that were placed there: targets that share an engine see each other's."""
        runs = {name: self._runs.get(self._owner.get(name, "")) for name in jobs}
        return {n: jobs[n] for n, run in runs.items() if run and run.spec.target == target}

    def see(self, name: str, observation: Observation) -> str | None:
        """Note an observation; the id of the run that it concerns, if it is ours.

        What a target tells by itself can be here before the answer to an earlier question, so a
        job is not believed to be back at what it has left behind.
        """
        run_id = self._owner.get(name)
        if run_id is not None and observation.state not in _BEHIND.get(self.state(name), ()):
            self._seen[name] = observation
        return run_id

    def forget_seen(self, names: Iterable[str], states: Collection[State]) -> None:
        """Forget what was seen of these jobs if it was one of these states."""
        for name in names:
            if self.state(name) in states:
                del self._seen[name]

    def seen(self, run: Run) -> Observation | None:
        """The run's jobs as last seen, as one; None if one was not seen.

        While a call is under way, that nothing is there yet is no news: it may be just coming.
        """
        parts = []
        for name in run.job_names:
            part = self._seen.get(name)
            if part is None or (name in self._busy and part.state in NOT_YET):
                return None
            parts.append(part)
        return combine(parts) if parts else None

    def state(self, name: str) -> State | None:
        seen = self._seen.get(name)
        return None if seen is None else seen.state

    def busy(self, names: Iterable[str], verb: str) -> None:
        self._busy.update(dict.fromkeys(names, verb))

    def is_busy(self, run: Run) -> bool:
        return any(name in self._busy for name in run.job_names)

    def returned(self, names: Iterable[str]) -> set[str]:
        """A call has returned; the ids of the runs concerned."""
        for name in names:
            self._busy.pop(name, None)
        return {self._owner[name] for name in names if name in self._owner}

    def due(self, name: str, verb: str, now: float) -> bool:
        """Whether it is time to ask that of a job, again perhaps; notes that it was asked."""
        if now - self._asked.get((name, verb), 0.0) < AGAIN:
            return False
        self._asked[(name, verb)] = now
        return True

    def remove_later(self, target: str, names: Sequence[str]) -> None:
        """Note remains that can go; they go many at a time."""
        self._removals.setdefault(target, []).extend(names)

    def removals(self, now: float) -> dict[str, list[str]]:
        """What is to be removed now: nothing, most of the time."""
        count = sum(map(len, self._removals.values()))
        if not count or (count < REMOVE_AT_ONCE and now - self._removed < REMOVE_EVERY):
            return {}
        due, self._removals, self._removed = self._removals, {}, now
        return due

    def names_by_target(self) -> dict[str, list[str]]:
        names: dict[str, list[str]] = {}
        for run in self._runs.values():
            names.setdefault(run.spec.target, []).extend(
                name for name in run.job_names if name not in self._busy
            )
        return names

    def _forget_jobs(self, run: Run) -> None:
        for name in run.job_names:
            self._owner.pop(name, None)
            self._seen.pop(name, None)
            self._busy.pop(name, None)
            for verb in ("LAUNCH", "STOP", "REMOVE"):
                self._asked.pop((name, verb), None)
