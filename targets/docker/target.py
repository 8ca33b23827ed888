"""Jobs in containers of one Docker engine: dedicated containers, or forks in pool containers.

All state is in the engine and in the target's folder, so a service that is killed at any line and
started again sees the same jobs in the same states. The claim of a name (`claims.py`) tells whether
its job has a dedicated container (`dedicated.py`) or shares one (`pooled.py`).
"""

import logging
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from dispatcher.core.runs.jobs import Observation, State
from dispatcher.core.scheduling.plan import Capacity, Node
from dispatcher.wire.jobs import Job
from targets.base import Report, TargetError, TargetUnavailable
from targets.config import DockerConfig
from targets.docker.bytecode import RuntimeFolders
from targets.docker.claims import ClaimRecord, Claims, ClaimState
from targets.docker.container_pool import ContainerPool
from targets.docker.container_spec import SERVICE_LABEL, ContainerMounts
from targets.docker.dedicated import DedicatedContainers
from targets.docker.disk_limits import DiskLimits
from targets.docker.engine import SECONDS, DockerEngine
from targets.docker.engine_events import ContainerEvent, EngineEvents
from targets.docker.guarded_files import names_below
from targets.docker.image_builds import ImageBuilds
from targets.docker.images import EnvironmentImages
from targets.docker.job_directories import JobDirectories
from targets.docker.launcher import ContainerLauncher
from targets.docker.pooled import PooledJobs
from targets.docker.runtime import unpack
from targets.docker.snapshots import ContainerSnapshots
from targets.docker.spools import ContainerSpools
from targets.service_address import ServiceAddress

# Measured on two cores: 6 starts a second by one thread, 9 by two, 10 by four.
WORKERS = 4
SWEEP_SECONDS = 60.0

_NOT_THERE = (State.ABSENT, State.REMOVED)

log = logging.getLogger(__name__)


class DockerTarget:
    """See `targets.base.Target`. Any thread may call, also again after a crash."""

    def __init__(
        self,
        config: DockerConfig,
        site: ServiceAddress,
        token: str,
        *,
        runtime: Path | None = None,
        seconds: float = SECONDS,
    ) -> None:
        """`token` is an agent's token; `runtime` replaces the agent in containers, for tests."""
        state = site.root / config.name
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        state.chmod(0o700)  # files below it are readable for any user of a container
        runtime = runtime or unpack(state / "runtime")
        mounts = ContainerMounts(
            site.service_id, state, runtime, site.service_socket, site.service_url
        )
        service = {"socket": str(site.service_socket), "url": site.service_url, "token": token}
        self._config = config
        self._label = f"{SERVICE_LABEL}={site.service_id}"
        self._engine = DockerEngine(config.docker_host, seconds)
        self._report: Report | None = None
        self._watch: EngineEvents | None = None
        self._closed = threading.Event()
        # Stops and removals have threads of their own: none waits behind a launch.
        self._launch_threads = ThreadPoolExecutor(WORKERS, thread_name_prefix="docker-launch")
        self._end_threads = ThreadPoolExecutor(WORKERS, thread_name_prefix="docker-end")
        self._build_parts(mounts, service, site.cache_limits)
        threading.Thread(target=self._keep, name="docker-keeper", daemon=True).start()

    def _build_parts(
        self,
        mounts: ContainerMounts,
        service: Mapping[str, str],
        limits: Mapping[str, int | None],
    ) -> None:
        config, engine, state = self._config, self._engine, mounts.state
        runtimes = RuntimeFolders(config, mounts, engine)
        self._directories = JobDirectories(state)
        self._claims = Claims(state, _ClaimInUse(state, self._directories))
        self._snapshots = snapshots = ContainerSnapshots(state / "snapshots", service)
        images = EnvironmentImages(config, engine, mounts)
        self._environments = ImageBuilds(
            images, self._claims, snapshots, service, state, config.image, self._report_states
        )
        self._images = images
        self._disk_limits = DiskLimits(limits, state, engine, self._label, snapshots, images)
        self._spools = spools = ContainerSpools(
            state, service, publish=self._publish, complete=self._complete
        )
        self._launcher = ContainerLauncher(
            config, mounts, engine, self._directories, self._claims, snapshots, runtimes
        )
        self._dedicated = DedicatedContainers(
            engine, self._directories, self._claims, self._launcher, spools
        )
        self._container_pool = ContainerPool(config, mounts, engine, runtimes)
        self._pooled = PooledJobs(
            config, mounts, self._container_pool, self._claims, snapshots, spools
        )

    def capacity(self) -> Capacity:
        """The resources of the engine's host, or the part that the configuration grants."""
        info, config = self._engine.info(), self._config
        cpus = config.cpus or float(info["NCPU"])
        memory_mb = config.memory_mb or int(info["MemTotal"]) >> 20
        return Capacity((Node(config.name, cpus, config.gpus, memory_mb),))

    def launch(self, jobs: Sequence[Job]) -> Mapping[str, TargetError]:
        """Start each job unless its name was ever started; returns errors by name."""
        jobs, refused = self._environments.launchable(jobs)
        return {**refused, **self._launch(jobs)}

    def _launch(self, jobs: Sequence[Job]) -> Mapping[str, TargetError]:
        pooled = [job for job in jobs if self._goes_to_pool(job)]
        errors = dict(self._pooled.launch(pooled)) if pooled else {}
        pooled_names = {job.name for job in pooled}
        dedicated = [job for job in jobs if job.name not in pooled_names]
        answers = _each(self._launch_dedicated, dedicated, self._launch_threads)
        return errors | {
            job.name: error for job, error in zip(dedicated, answers, strict=True) if error
        }

    def poll(self, names: Collection[str]) -> Mapping[str, Observation]:
        """The observation of each named job. Raises TargetUnavailable."""
        waiting = self._environments.waiting(names)
        pooled, dedicated = self._by_claim([name for name in names if name not in waiting])
        containers = self._containers_of(dedicated)
        observations = {
            name: self._dedicated.observe(name, containers.get(name)) for name in dedicated
        }
        return (
            {**waiting, **observations, **self._pooled.poll(pooled)}
            if pooled
            else {**waiting, **observations}
        )

    def jobs(self) -> Mapping[str, Observation]:
        """The observations of all jobs that have folders here."""
        observations = self.poll({*self._directories.names(), *self._pooled.names()})
        return {name: each for name, each in observations.items() if each.state not in _NOT_THERE}

    def stop(self, names: Collection[str], grace: float) -> None:
        """Send SIGTERM now, SIGKILL after `grace` seconds; withdraw jobs that have not started."""
        self._environments.forget(names)
        for name in names:  # a launch that is under way finds the claim taken
            self._claims.take(name, ClaimRecord(ClaimState.WITHDRAWN), durable=False)
        self._claims.sync()
        pooled, dedicated = self._by_claim(names)
        if pooled:
            self._pooled.stop(pooled, grace)
        containers = self._engine.containers(self._label) if dedicated else {}
        is_sooner = _each(
            lambda name: self._dedicated.stop(name, containers.get(name), grace),
            dedicated,
            self._end_threads,
        )
        due = [name for name, is_due in zip(dedicated, is_sooner, strict=True) if is_due]
        self._dedicated.kill_later(due, grace)

    def remove(self, names: Collection[str]) -> None:
        """Forget ended jobs; living and unknown ones are left as they are."""
        pooled, dedicated = self._by_claim(names)
        if pooled:
            self._pooled.remove(pooled)
        containers = self._containers_of(dedicated)
        _each(
            lambda name: self._dedicated.remove(name, containers.get(name)),
            dedicated,
            self._end_threads,
        )

    def watch(self, report: Report) -> None:
        """Report changes that the engine's events and the agents of pool containers show."""
        self._report = report
        self._pooled.watch(report)
        self._watch = EngineEvents(self._engine, self._label, self._on_event)

    def close(self) -> None:
        """Close the connections. Jobs continue."""
        self._closed.set()
        if self._watch is not None:
            self._watch.close()
        for threads in (self._launch_threads, self._end_threads):
            threads.shutdown(wait=False)
        self._environments.close()
        self._spools.close()
        self._container_pool.close()
        self._snapshots.close()
        self._engine.close()

    def _goes_to_pool(self, job: Job) -> bool:
        entry = self._claims.get(job.name)
        if entry is not None:
            return entry.container is not None
        return self._pooled.takes(job) and not self._directories.is_there(job.name)

    def _launch_dedicated(self, job: Job) -> TargetError | None:
        error = self._launcher.launch(job)
        entry = self._claims.get(job.name)
        if entry is not None and entry.claim is ClaimState.LAUNCHED:
            self._spools.follow(job.name, entry)
        return error

    def _containers_of(self, names: Collection[str]) -> Mapping[str, Mapping[str, Any]]:
        """The engine's containers, unless the ends of all these jobs are known."""
        if all(map(self._dedicated.has_ended, names)):
            return {}
        return self._engine.containers(self._label)

    def _by_claim(self, names: Collection[str]) -> tuple[dict[str, ClaimRecord], list[str]]:
        """The claims of the jobs in pool containers, and the names of the others."""
        entries = {name: self._claims.get(name) for name in names}
        pooled = {name: entry for name, entry in entries.items() if entry and entry.container}
        return pooled, [name for name in entries if name not in pooled]

    def _on_event(self, event: ContainerEvent | None) -> None:
        """Report the job of an event; without one, report that anything may have changed."""
        if self._report is None:
            return
        if event is None or event.name in self._container_pool:
            self._report({})
            return
        with suppress(TargetUnavailable):
            observations = self._dedicated.on_event(event)
            if observations:
                self._report(observations)

    def _report_states(self, observations: Mapping[str, Observation]) -> None:
        if self._report is not None:
            self._report(observations)

    def _publish(self, name: str) -> None:
        """Report a job whose end may be published now."""
        if self._report is not None:
            with suppress(TargetUnavailable):
                self._report(self.poll([name]))

    def _complete(self, name: str) -> None:
        self._dedicated.complete(name)
        with suppress(TargetUnavailable):
            self._pooled.complete(name)

    def _keep(self) -> None:
        """Clean up in the background, first the remains of an earlier service."""
        pause = 0.0
        while not self._closed.wait(pause):
            try:
                if not pause:
                    self._dedicated.sweep()
                    self._images.sweep()
                self._pooled.sweep()
                self._disk_limits.apply_when_due()
            except TargetUnavailable as error:
                log.debug("%s", error)
            except Exception:
                log.exception("sweeping %s", self._config.name)
            pause = min(SWEEP_SECONDS, self._config.warm_idle_seconds / 4)


def _each(
    act: Callable[[Any], Any], items: Sequence[Any], threads: ThreadPoolExecutor
) -> list[Any]:
    return [act(item) for item in items] if len(items) < 2 else list(threads.map(act, items))


class _ClaimInUse:
    """Whether the claim of a name is still needed, because its job has folders."""

    def __init__(self, state: Path, directories: JobDirectories) -> None:
        self._directories = directories
        self._pooled = {
            name
            for container in names_below(state, "warm")
            for name in names_below(state / "warm", container, "jobs")
        }

    def __call__(self, name: str) -> bool:
        return name in self._pooled or self._directories.is_there(name)
