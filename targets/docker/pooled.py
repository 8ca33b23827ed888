"""Jobs in pool containers: scripts without limits of their own, forked in a shared container.

A start takes milliseconds instead of a container's start. The price is isolation: runs in one
container share its user, so a malicious run can read the data of the others (run tokens included),
change it, end the others, or fake their ends. They are isolated from the machine and from other
containers as jobs in dedicated containers are. So pooling is an option of the target (`warm`), and
never used for a run with GPUs or limits.

A name is claimed for one container before the container's agent receives the job (`claims.py`). It
is claimed for another container only when the first one has ended and its agent had not claimed the
job, so that the job cannot have started.
"""

import logging
import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from dispatcher.core.runs.jobs import ABSENT, Observation, State
from dispatcher.wire.jobs import Job, encode_job
from targets.base import LaunchRefused, Report, TargetError, TargetUnavailable
from targets.config import DockerConfig
from targets.docker import container_spec, evidence
from targets.docker.claims import ClaimRecord, Claims, ClaimState, claim_record
from targets.docker.container_pool import ContainerPool
from targets.docker.container_spec import ContainerMounts
from targets.docker.dedicated import EXIT_RECORD_SECONDS, later
from targets.docker.pool_container import PoolContainer
from targets.docker.snapshots import ContainerSnapshots
from targets.docker.spools import ContainerSpools

UNRESPONSIVE_SECONDS = 60.0  # seconds without an answer after which a container is ended
_LIVE = (ClaimState.LAUNCHED, ClaimState.STOPPED)
_OVER = {State.EXITED, State.REMOVED, State.ABSENT}

log = logging.getLogger(__name__)
ClaimRecords = Mapping[str, ClaimRecord]


class PooledJobs:
    """The jobs in pool containers. Any thread may call."""

    def __init__(
        self,
        config: DockerConfig,
        mounts: ContainerMounts,
        pool: ContainerPool,
        claims: Claims,
        snapshots: ContainerSnapshots,
        spools: ContainerSpools,
    ) -> None:
        self._config, self._mounts, self._pool = config, mounts, pool
        self._claims, self._snapshots, self._spools = claims, snapshots, spools
        self._known: dict[str, ClaimRecord] = {}  # the jobs of which agents may report
        self._over: set[str] = set()  # jobs whose end was published
        self._report: Report | None = None

    def takes(self, job: Job) -> bool:
        """Whether the job may run in a pool container."""
        return container_spec.is_poolable(job, self._config)

    # Starting

    def launch(self, jobs: Sequence[Job]) -> Mapping[str, TargetError]:
        """Give each job to a container unless it was ever started; returns errors by name."""
        errors: dict[str, TargetError] = {}
        by_container: dict[str, list[Job]] = defaultdict(list)
        with self._pool.launching():
            for job in jobs:
                try:
                    container = self._container_for(job)
                    if container is not None:
                        by_container[container.name].append(job)
                except TargetError as error:
                    errors[job.name] = error
            if by_container:
                self._claims.sync()  # one for all of them, before anything starts
            for name, mine in by_container.items():
                errors |= self._submit(name, mine)
        for name, failed in errors.items():
            if isinstance(failed, LaunchRefused) and self._claims.get(name) is None:
                self._claims.withdraw(name)
        return errors

    def _submit(self, name: str, jobs: Sequence[Job]) -> Mapping[str, TargetError]:
        container = self._pool.get(name)
        records = [encode_job(container_spec.inside(job, self._mounts.socket)) for job in jobs]
        try:
            if container is not None:
                container.ask("submit", jobs=records)
        except TargetUnavailable as error:
            return {job.name: error for job in jobs}
        return {}

    def _container_for(self, job: Job) -> PoolContainer | None:
        """The container of the job's claim; None if the job does not start any more."""
        entry = self._claims.get(job.name)
        if entry is not None and entry.claim is not ClaimState.LAUNCHED:
            return None
        if entry is not None:
            earlier = self._pool.get(entry.container) if entry.container else None
            if earlier is not None and earlier.ended() is None:
                return earlier  # it may have received the job, or not
            if earlier is not None and earlier.observe([job.name])[job.name] != ABSENT:
                return None
        if job.snapshot:
            self._snapshots.fetch(job.snapshot)
        container = self._pool.ready(job)
        claimed = claim_record(job, container.name)
        if entry is not None:
            self._claims.put(job.name, claimed, durable=False)
        elif self._claims.take(job.name, claimed, durable=False) != claimed:
            return None
        self._known[job.name] = claimed
        self._spools.follow(job.name, claimed, is_new=True)
        return container

    # Looking

    def watch(self, report: Report) -> None:
        """Report what agents send."""
        self._report = report
        self._pool.watch(self._on_event)

    def poll(self, entries: ClaimRecords) -> Mapping[str, Observation]:
        """The observations of jobs in pool containers."""
        over = {n: e for n, e in entries.items() if e.claim not in _LIVE}
        removed = {n: evidence.removed(e, time.time()) for n, e in over.items()}
        observations = dict[str, Observation]()
        for container, mine in self._by_container(
            {n: e for n, e in entries.items() if n not in removed}
        ):
            self._known |= mine
            container_states = (
                container.observe(mine)
                if container
                else dict.fromkeys(mine, Observation(State.ABSENT))
            )
            observations |= {
                name: self._checked_observation(name, mine[name], observation)
                for name, observation in container_states.items()
            }
        return {**removed, **observations}

    def names(self) -> list[str]:
        """The names of jobs that have folders in the container of their claim.

        Processes in a container may create other folders, which do not count.
        """
        names = [
            (name, container.name)
            for container in self._pool.everyone()
            for name in container.jobs()
        ]
        entries = ((name, container, self._claims.get(name)) for name, container in names)
        return [
            name for name, container, entry in entries if entry and entry.container == container
        ]

    def _checked_observation(
        self, name: str, entry: ClaimRecord, observation: Observation
    ) -> Observation:
        if observation.state is State.ABSENT and entry.claim is ClaimState.STOPPED:
            return Observation(State.REMOVED)
        if observation.state is State.ALIVE:
            self._spools.follow(name, entry)
        if observation.state is not State.EXITED:
            return observation
        if not self._spools.ended(name, entry):
            return Observation(State.ALIVE, observation.started_at)
        self._over.add(name)
        ending, was_stopped = observation.evidence, entry.claim is ClaimState.STOPPED
        if ending and was_stopped and ending.reason in evidence.LOSSES:
            return replace(observation, evidence=replace(ending, reason="stopped"))
        return observation

    def _on_event(self, container: PoolContainer, events: Mapping[str, Observation]) -> None:
        """Report an agent's observations of its own jobs; drop those of others."""
        if self._report is None:
            return
        observations = dict[str, Observation]()
        for name, observation in events.items():
            entry = self._known.get(name)
            if entry is not None and entry.container == container.name:
                observations[name] = self._checked_observation(
                    name, self._claims.get(name) or entry, observation
                )
        if observations or not events:
            self._report(observations)

    # Ending

    def stop(self, entries: ClaimRecords, grace: float) -> None:
        """Send SIGTERM now, SIGKILL after the grace; withdraw jobs that have not started."""
        new = [name for name, entry in entries.items() if entry.claim is ClaimState.LAUNCHED]
        for name in new:
            self._claims.put(name, replace(entries[name], claim=ClaimState.STOPPED), durable=False)
        if new:
            self._claims.sync()
        for container, mine in self._by_container(entries):
            if container is None:
                continue
            try:
                container.ask("stop", names=list(mine), grace=grace)
            except TargetUnavailable:
                if container.ended() is None:
                    raise
            self._kill_later(container, [name for name in mine if name in new], grace)

    def _kill_later(self, container: PoolContainer, names: Collection[str], grace: float) -> None:
        """End the container of jobs that their shims do not end in time."""

        def kill() -> None:
            try:
                if {each.state for each in container.observe(names).values()} - _OVER:
                    log.warning(
                        "pool container %s is ended: a job in it does not stop", container.name
                    )
                    container.kill()
            except TargetUnavailable as error:  # the engine of the service repeats the stop
                log.warning("cannot end %s: %s", container.name, error)

        if names:
            later(grace + EXIT_RECORD_SECONDS, kill)

    # Forgetting

    def remove(self, entries: ClaimRecords) -> None:
        """Delete the folders of ended jobs, once their telemetry is shipped."""
        for container, mine in self._by_container(entries):
            requested = [name for name in mine if name not in self._over]
            observations = container.observe(requested) if container and requested else {}
            if any(observation.state is State.UNKNOWN for observation in observations.values()):
                raise TargetUnavailable(
                    f"the agent of {container and container.name} does not answer"
                )
            over = [n for n in mine if n not in observations or observations[n].state in _OVER]
            for name in over:
                self._claims.put(name, replace(mine[name], claim=ClaimState.REMOVED), durable=False)
                self._spools.ended(name, mine[name])  # also if the job was never polled
            self._delete(container, [name for name in over if not self._spools.has_pending(name)])

    def complete(self, name: str) -> None:
        """All telemetry of a job is with the service: delete its folder if it was removed."""
        entry = self._claims.get(name)
        if entry is not None and entry.container and entry.claim is ClaimState.REMOVED:
            self._delete(self._pool.get(entry.container), [name])

    def _delete(self, container: PoolContainer | None, names: Sequence[str]) -> None:
        for name in names:
            self._known.pop(name, None)
            self._over.discard(name)
            self._spools.forget(name)
        if container is None or not names:
            return
        try:
            container.ask("remove", names=names)
        except TargetUnavailable:
            if container.ended() is None:
                raise
            for name in names:
                container.delete(name)

    def sweep(self) -> None:
        """End containers that no job needs, and delete the folders of ended ones."""
        self._pool.retire(self._is_needed)

    def _is_needed(self, container: PoolContainer) -> bool:
        submitted = [
            name for name, entry in list(self._known.items()) if entry.container == container.name
        ]
        # A submitted job that still waits in the container has no folder yet.
        for name in {*container.jobs(), *submitted}:
            entry = self._claims.get(name)
            if entry is None or entry.container != container.name:
                continue
            if entry.claim in _LIVE:
                if (
                    container.silent_since
                    and time.monotonic() > container.silent_since + UNRESPONSIVE_SECONDS
                ):
                    container.kill()
                return True
            if container.ended() is not None and not self._spools.ended(name, entry):
                return True
        is_idle = time.monotonic() > container.used_at + self._config.warm_idle_seconds
        return container.ended() is None and not is_idle

    def _by_container(
        self, entries: ClaimRecords
    ) -> Iterable[tuple[PoolContainer | None, dict[str, ClaimRecord]]]:
        groups: dict[str, dict[str, ClaimRecord]] = defaultdict(dict)
        for name, entry in entries.items():
            groups[entry.container or ""][name] = entry
        return [(self._pool.get(container), mine) for container, mine in groups.items()]
