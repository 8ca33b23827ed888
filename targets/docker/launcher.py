"""Starts a job in a dedicated container, once at most, although the caller may die at any line.

The order makes it safe: fill the job's folders, create the container (the engine refuses a second
one of the name), claim the name, start. After a death before the claim the container is `created`,
and the next call continues with it. After a later death the container's state shows whether it ran.
"""

import threading
from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from docker.errors import APIError

from dispatcher.agent.starting.device_locks import DeviceLocks
from dispatcher.core.scheduling.shared_gpus import LOCAL_SOCKET
from dispatcher.wire.jobs import Job, encode_job
from targets.base import LaunchRefused, TargetError, TargetUnavailable
from targets.config import DockerConfig
from targets.device_locks import lock_files
from targets.docker import container_spec, gpu
from targets.docker.bytecode import RuntimeFolders
from targets.docker.claims import Claims, ClaimState, claim_record
from targets.docker.container_spec import SERVICE_LABEL, ContainerMounts
from targets.docker.engine import DockerEngine
from targets.docker.job_directories import JobDirectories
from targets.docker.snapshots import ContainerSnapshots


class ContainerLauncher:
    """Starts the jobs of one target. Threads may use it at once, for different jobs."""

    def __init__(
        self,
        config: DockerConfig,
        mounts: ContainerMounts,
        engine: DockerEngine,
        directories: JobDirectories,
        claims: Claims,
        snapshots: ContainerSnapshots,
        runtimes: RuntimeFolders,
    ) -> None:
        self._config = config
        self._mounts = mounts
        self._engine = engine
        self._directories = directories
        self._claims = claims
        self._snapshots = snapshots
        self._runtimes = runtimes
        self._lock = threading.Lock()
        self._busy: set[str] = set()
        self._mode: gpu.Mode | None = None  # the way of requesting GPUs that has worked

    def launch(self, job: Job) -> TargetError | None:
        """Start the job unless its name was ever started; returns the error, if any."""
        with self._lock:
            if job.name in self._busy:
                return None
            self._busy.add(job.name)
        try:
            self._start(self._with_locks(job))
        except LaunchRefused as refusal:
            self._claims.withdraw(job.name)
            self._directories.delete(job.name)
            return refusal
        except TargetUnavailable as error:
            return error
        except OSError as error:
            return TargetUnavailable(f"cannot write below {self._mounts.state}: {error}")
        finally:
            with self._lock:
                self._busy.discard(job.name)
        return None

    def _with_locks(self, job: Job) -> Job:
        """The job with the lock files of its GPUs, if the engine is on this machine."""
        if not job.gpus or not self._engine.url.startswith(LOCAL_SOCKET):
            return job
        return replace(job, device_locks=lock_files(job.gpus))

    def _start(self, job: Job) -> None:
        claim = self._claims.claim(job.name)
        if claim is None and not self._directories.is_there(job.name):
            self._start_new(job)
            return
        container = self._ours(job.name)
        if container is None and claim is None:
            self._start_new(job)
        elif container is not None and container["State"]["Status"] == "created":
            self._fill_directory(job)
            self._begin(job)  # created by a service that was killed before the start

    def _start_new(self, job: Job) -> None:
        """Start the job, trying each way of requesting GPUs until the engine accepts one."""
        locks = DeviceLocks(job.device_locks)
        if not locks.take():
            gpus = ", ".join(job.gpus)
            raise TargetUnavailable(f"another job of this machine holds one of the GPUs {gpus}")
        locks.release()  # for the shim; if another one is quicker, it waits in its container
        if job.snapshot:
            self._snapshots.fetch(job.snapshot)
        *others, last = self._modes(job)
        for mode in others:
            try:
                return self._create_and_begin(job, mode)
            except LaunchRefused as refusal:
                cause = refusal.__cause__
                if not isinstance(cause, APIError) or not gpu.is_about_gpus(cause):
                    raise
                self._claims.give_back(job.name)  # the container was created, but did not start
        return self._create_and_begin(job, last)

    def _modes(self, job: Job) -> tuple[gpu.Mode, ...]:
        if not job.gpus:
            return ("runtime",)
        gpu.refuse_podman(self._engine.version(), self._engine.url)
        mode = self._mode
        return (mode,) if mode else gpu.modes(self._config.gpu_mode, self._engine.known())

    def _create_and_begin(self, job: Job, mode: gpu.Mode) -> None:
        if self._create(job, mode):
            self._begin(job)
        if job.gpus:
            self._mode = mode

    def _create(self, job: Job, mode: gpu.Mode) -> bool:
        """Create the container; returns whether it still has to be started."""
        config, plain = self._config, self._mounts.runtime
        mounts = replace(self._mounts, runtime=self._runtimes.get(job.image or config.image))
        cpus = float(self._engine.known()["NCPU"])
        gpus = gpu.request(job.gpus, mode)
        host = container_spec.host(job, config, mounts, gpus, cpus)
        compiled = mounts.runtime != plain
        whole = container_spec.container(job, config, mounts, compiled=compiled)
        self._fill_directory(job)
        try:
            with self._engine.calls(judged=True) as api:
                api.create_container(host_config=api.create_host_config(**host), **whole)
        except APIError as error:
            if error.status_code != HTTPStatus.CONFLICT:
                raise self._explained(error, job) from error
            existing = self._ours(job.name)  # an interrupted call has created it
            if existing is None:
                raise TargetUnavailable(f"{job.name} is being created or removed") from error
            return bool(existing["State"]["Status"] == "created")
        return True

    def _fill_directory(self, job: Job) -> None:
        owner = container_spec.owner(self._config)
        try:
            inner_job = container_spec.inside(job, self._mounts.socket)
            self._directories.fill(job.name, encode_job(inner_job), owner)
        except PermissionError as error:
            raise LaunchRefused(container_spec.NO_FOLDER.format(*owner)) from error

    def _begin(self, job: Job) -> None:
        if self._claims.take(job.name, claim_record(job)).claim is not ClaimState.LAUNCHED:
            self._engine.discard(job.name)
            return
        try:
            with self._engine.calls(judged=True) as api:
                api.start(job.name)
        except APIError as error:
            if self._claims.claim(job.name) is not ClaimState.LAUNCHED:
                return  # stopped meanwhile: its container is removed
            explained = self._explained(error, job)
            if isinstance(explained, LaunchRefused):
                self._engine.discard(
                    job.name
                )  # otherwise the created container would be started again
            raise explained from error

    def _explained(self, error: APIError, job: Job) -> TargetError:
        image = job.image or self._config.image
        return gpu.explain(error, image=image, url=self._engine.url)

    def _ours(self, name: str) -> Mapping[str, Any] | None:
        """Our container of that name. Raises LaunchRefused if it is not ours."""
        container = self._engine.inspect(name)
        if container is not None and not self.is_ours(container):
            raise LaunchRefused(
                f"the Docker engine at {self._engine.url} has a container {name!r} that this "
                f"service did not create; remove it there: docker rm {name}"
            )
        return container

    def is_busy_with(self, name: str) -> bool:
        """Whether a job of that name is being started now."""
        with self._lock:
            return name in self._busy

    def is_ours(self, container: Mapping[str, Any]) -> bool:
        """Whether this service created the container."""
        labels = container["Config"].get("Labels") or {}
        return bool(labels.get(SERVICE_LABEL) == self._mounts.service_id)
