"""The protocol that every compute target keeps, and what targets raise.

Each docstring is a promise that `TargetContract` (targets/testing.py) tests on the fake, local,
Docker and Ray alike. The verbs take many jobs at once, because one round trip for a thousand is
what makes a fan-out quick. (The design drew `launch(job)` for one; measuring showed the round trip
to be half of a start's cost.)
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

from dispatcher.core.jobs import Observation
from dispatcher.core.scheduling import Capacity
from dispatcher.wire.jobs import Job

Report = Callable[[Mapping[str, Observation]], None]


class TargetError(Exception):
    """A target could not do what it was asked."""


class TargetUnavailable(TargetError):
    """The target does not answer, or cannot just now. Ask again; nothing is known of its jobs
    meanwhile.
    """


class LaunchRefused(TargetError):
    """The job can never start there as it is; the text says why and what to do.

    `tail`: the last lines of a log that say more.
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
        """All that the target has, in use or not, by node. Raises TargetUnavailable."""

    def launch(self, jobs: Sequence[Job]) -> Mapping[str, TargetError]:
        """Start each job unless one of that name was ever started; answer what went wrong, by name.

        A name in the answer with LaunchRefused will never start; with TargetUnavailable it is not
        known whether it started: poll tells. Names not in the answer are taken.
        """

    def poll(self, names: Collection[str]) -> Mapping[str, Observation]:
        """What is to be seen of each named job, all in one look. Raises TargetUnavailable.

        Every name is in the answer. EXITED means that nothing of the job is alive and that its
        telemetry has been handed over. A job whose node does not answer is UNKNOWN, never EXITED.
        """

    def jobs(self) -> Mapping[str, Observation]:
        """All jobs that it still has something of, whoever launched them, as `poll` shows them.

        Those that were removed are left out, and so is what a node has that does not answer. Raises
        TargetUnavailable.
        """

    def stop(self, names: Collection[str], grace: float) -> None:
        """End the jobs: SIGTERM to all of each, SIGKILL after `grace` seconds. Returns without
        waiting for that.

        A job that is not there, or CREATED, is withdrawn: it will not start after this has
        returned.
        """

    def remove(self, names: Collection[str]) -> None:
        """Forget ended jobs and free what they held on disk. One that is not there is fine."""

    def watch(self, report: Report) -> None:
        """Call `report` from some thread with what has changed; an accelerator, never a promise.

        An empty mapping means that something has changed and is worth a poll.
        """

    def close(self) -> None:
        """Let go of connections. Jobs go on."""
