"""The protocol of compute targets, and the errors of targets.

`TargetContract` (targets/testing.py) and `OutcomeContract` (targets/outcome_contract.py) test what
the docstrings promise on the fake, local, Docker and Ray. The calls take many jobs at once, because
a round trip for each job would be half of the cost of a start.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

from dispatcher.core.runs.jobs import Observation
from dispatcher.core.scheduling.plan import Capacity
from dispatcher.wire.jobs import Job

Report = Callable[[Mapping[str, Observation]], None]


class TargetError(Exception):
    """A call of a target failed."""


class TargetUnavailable(TargetError):
    """The target does not answer, or cannot at the moment; the states of its jobs are unknown.

    The call may be repeated.
    """


class LaunchRefused(TargetError):
    """The job can never start on the target as it is; the text names reason and remedy.

    Attributes:
        tail: The last lines of a log with details.
    """

    def __init__(self, text: str, tail: str = "") -> None:
        super().__init__(text)
        self.tail = tail


class Target(Protocol):
    """Where jobs run.

    Every call is idempotent: the caller may crash at any line and call again.

    A target takes one `launch` and one of the other calls at the same time, from two threads. A
    launch may last as long as a container's start; the other calls answer meanwhile. A `stop` that
    returns during a launch of the same job has either ended the job or withdrawn it.
    """

    def capacity(self) -> Capacity:
        """The resources of the target by node, used or not. Raises TargetUnavailable."""

    def launch(self, jobs: Sequence[Job]) -> Mapping[str, TargetError]:
        """Start each job unless its name was ever started; returns errors by name.

        A job with LaunchRefused will never start. With TargetUnavailable it is unknown whether it
        started; `poll` returns its state. Jobs without an error are accepted.
        """

    def poll(self, names: Collection[str]) -> Mapping[str, Observation]:
        """The observation of each named job. Raises TargetUnavailable.

        Every name is in the answer. EXITED means that no process of the job is alive and that its
        telemetry was shipped. A job whose node does not answer is UNKNOWN, never EXITED.
        """

    def jobs(self) -> Mapping[str, Observation]:
        """The observations of all jobs that the target has records of, also of orphan jobs.

        Removed jobs are left out, and so are jobs of nodes that do not answer. Raises
        TargetUnavailable.
        """

    def stop(self, names: Collection[str], grace: float) -> None:
        """End the jobs: SIGTERM to all their processes, SIGKILL after `grace` seconds.

        It returns without waiting for their ends. A job that is absent or CREATED is withdrawn: it
        does not start after the call has returned.
        """

    def remove(self, names: Collection[str]) -> None:
        """Remove ended jobs and delete their folders. An unknown job is not an error."""

    def watch(self, report: Report) -> None:
        """Call `report` from any thread with changed observations; changes may be missed.

        An empty mapping means that anything may have changed, so a poll is due.
        """

    def close(self) -> None:
        """Close the connections. Jobs continue."""
