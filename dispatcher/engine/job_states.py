"""What is known of jobs: the last observation of each, and the calls that are under way."""

from collections.abc import Collection, Iterable, Mapping
from itertools import islice

from dispatcher.core.runs.jobs import ABSENT, Observation, State, combine
from dispatcher.core.runs.lifecycle import Run
from dispatcher.engine.messages import Verb

ASK_AGAIN = 1.5  # seconds before the same is asked of the same job again
NOT_YET = (State.ABSENT, State.CREATED)
# By the state that is known: the states that a late answer to an earlier question may still show.
_SUPERSEDED: Mapping[State | None, Collection[State]] = {
    State.ALIVE: (State.CREATED,),
    State.EXITED: (*NOT_YET, State.ALIVE, State.UNKNOWN),
}


class JobStates:
    """The jobs of owed runs. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._owner: dict[str, str] = {}  # job name -> run id
        self._observations: dict[str, Observation] = {}
        self._calls: dict[str, set[Verb]] = {}  # job name -> the calls under way
        self._asked: dict[str, dict[str, float]] = {}  # job name -> action -> when it was asked
        self._poll_order: dict[str, dict[str, None]] = {}  # target -> job names, next one first

    def own(self, run: Run) -> None:
        """Follow the jobs of a run's present attempt."""
        names = self._poll_order.setdefault(run.spec.target, {})
        for name in run.job_names:
            self._owner[name] = run.id
            names.setdefault(name)

    def own_unlaunched(self, run: Run) -> None:
        """Its jobs were never launched before: they are known to be absent."""
        self.own(run)
        self._observations.update(dict.fromkeys(run.job_names, ABSENT))

    def disown(self, run: Run) -> None:
        """Forget the jobs of a run's attempt."""
        names = self._poll_order.get(run.spec.target, {})
        for name in run.job_names:
            self._owner.pop(name, None)
            self._observations.pop(name, None)
            self._calls.pop(name, None)
            self._asked.pop(name, None)
            names.pop(name, None)

    def owner(self, name: str) -> str | None:
        """The id of the run that a job belongs to."""
        return self._owner.get(name)

    def observe(self, name: str, observation: Observation) -> bool:
        """Note an observation of an owned job; False if it is nobody's.

        A pushed observation can arrive before the answer to an earlier question, so a job is not
        believed to be back in a state that it has left.
        """
        if name not in self._owner:
            return False
        if observation.state not in _SUPERSEDED.get(self.state(name), ()):
            self._observations[name] = observation
        return True

    def forget(self, names: Iterable[str], states: Collection[State]) -> None:
        """Forget the observations of these jobs that show one of these states."""
        for name in names:
            if self.state(name) in states:
                del self._observations[name]

    def state(self, name: str) -> State | None:
        """The last state of a job; None if it was not observed."""
        observation = self._observations.get(name)
        return None if observation is None else observation.state

    def of_run(self, run: Run) -> Observation | None:
        """The run's jobs as one; None if one was not observed.

        While a call is under way, NOT_YET is no news: the job may be about to appear.
        """
        parts = []
        for name in run.job_names:
            part = self._observations.get(name)
            if part is None or (name in self._calls and part.state in NOT_YET):
                return None
            parts.append(part)
        return combine(parts) if parts else None

    def begin_call(self, names: Iterable[str], verb: Verb) -> None:
        """A call for these jobs is under way."""
        for name in names:
            self._calls.setdefault(name, set()).add(verb)

    def end_call(self, names: Iterable[str], verb: Verb) -> set[str]:
        """A call has returned; the ids of the runs concerned."""
        for name in names:
            verbs = self._calls.get(name, set())
            verbs.discard(verb)
            if not verbs:
                self._calls.pop(name, None)
        return {self._owner[name] for name in names if name in self._owner}

    def in_call(self, run: Run) -> set[Verb]:
        """The calls that are under way for its jobs."""
        return {verb for name in run.job_names for verb in self._calls.get(name, ())}

    def take_due(self, name: str, action: str, now: float) -> bool:
        """Whether it is time to ask that of a job (again); notes that it is asked now."""
        asked = self._asked.setdefault(name, {})
        if now - asked.get(action, -ASK_AGAIN) < ASK_AGAIN:
            return False
        asked[action] = now
        return True

    def next_to_poll(self, target: str, count: int) -> list[str]:
        """The jobs of a target that were polled longest ago, `count` at most."""
        order = self._poll_order.get(target, {})
        names = list(islice(order, count))
        for name in names:
            del order[name]
            order[name] = None
        return [name for name in names if name not in self._calls]

    def targets(self) -> list[str]:
        """Targets that have jobs."""
        return [target for target, names in self._poll_order.items() if names]
