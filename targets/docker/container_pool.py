"""The pool containers of one target: found again by their folders, started when one is needed.

A container's name holds a key of what its jobs have in common and a random part, so its folder
tells which jobs it takes.

No lock is held over a call to the engine or to an agent. A container is retired only while no
launch is under way, so none is chosen for a job and deleted before the job is handed over.
"""

import logging
import secrets
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import replace

from docker.errors import APIError

from dispatcher.core.runs.jobs import Observation
from dispatcher.wire.jobs import Job
from targets.base import LaunchRefused, TargetUnavailable
from targets.config import DockerConfig
from targets.docker import container_spec, gpu
from targets.docker.bytecode import RuntimeFolders
from targets.docker.container_spec import ContainerMounts
from targets.docker.engine import DockerEngine
from targets.docker.pool_container import PoolContainer, make_folder

log = logging.getLogger(__name__)
OnEvent = Callable[[PoolContainer, Mapping[str, Observation]], None]


class ContainerPool:
    """All pool containers of a target. Any thread may ask."""

    def __init__(
        self,
        config: DockerConfig,
        mounts: ContainerMounts,
        engine: DockerEngine,
        runtimes: RuntimeFolders,
    ) -> None:
        self._config, self._mounts, self._engine = config, mounts, engine
        self._runtimes = runtimes
        self._folder = mounts.state / "warm"  # the name on disk of version 0.1
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._on_event: OnEvent | None = None
        self._lock = threading.Lock()  # of all that follows; held for moments only
        self._containers: dict[str, PoolContainer] = {}
        self._starts: dict[str, Future[PoolContainer]] = {}  # by key
        self._hidden: set[str] = set()  # names that are being started or deleted
        self._launches = 0
        self._generation = 0  # grows with every launch that has ended

    def __contains__(self, name: str) -> bool:
        return name in self._containers

    @contextmanager
    def launching(self) -> Iterator[None]:
        """While the block runs no container is retired."""
        with self._lock:
            self._launches += 1
        try:
            yield
        finally:
            with self._lock:
                self._launches -= 1
                self._generation += 1

    def watch(self, on_event: OnEvent) -> None:
        """Report the observations of the agents, for containers that are used later."""
        self._on_event = on_event

    def get(self, name: str) -> PoolContainer | None:
        """A container by its name, also of an earlier service; None if it does not exist."""
        with self._lock:
            if name in self._hidden:
                return None
            pooled = self._containers.get(name)
            if pooled is not None or not (self._folder / name).is_dir():
                return pooled
            container = PoolContainer(name, self._folder / name, self._engine)
            container.used_at = float("-inf")
            self._containers[name] = container
        self._listen(container)
        return container

    def everyone(self) -> list[PoolContainer]:
        """All containers whose folder is there."""
        names = sorted(path.name for path in self._folder.iterdir())
        return [container for container in map(self.get, names) if container is not None]

    def ready(self, job: Job) -> PoolContainer:
        """A container that accepts such jobs and answers; started if there is none.

        Call it within `launching`. Raises TargetError.
        """
        key = container_spec.pool_key(job, self._config)
        for container in list(self._containers.values()):
            if container.key == key and container.answers():
                return container
        with self._lock:
            start, is_first = self._starts.get(key), key not in self._starts
            if start is None:
                start = self._starts[key] = Future()
        if is_first:
            self._start_for(key, job, start)
        return start.result()

    def retire(self, is_needed: Callable[[PoolContainer], bool]) -> None:
        """End the containers that are not needed, and delete their folders.

        Raises TargetUnavailable; a later call ends the remaining containers.
        """
        for container in self.everyone():
            generation = self._generation
            if is_needed(container):
                continue
            with self._lock:
                if self._launches or self._generation != generation:
                    continue  # a launch may have chosen it meanwhile
                self._containers.pop(container.name, None)
                self._hidden.add(container.name)
            try:
                self._delete(container)
            finally:
                with self._lock:
                    self._hidden.discard(container.name)

    def close(self) -> None:
        """Close the connections; containers stay for the next target on this folder."""
        for container in list(self._containers.values()):
            container.close()

    def _start_for(self, key: str, job: Job, start: "Future[PoolContainer]") -> None:
        """Start a container for the jobs of a key, and give it to all callers that wait for one."""
        name = f"{self._config.name}-{key}-w{secrets.token_hex(4)}"
        container = PoolContainer(name, self._folder / name, self._engine)
        with self._lock:
            self._hidden.add(name)
        failure: BaseException | None = None
        try:
            self._start(container, job)
        except BaseException as error:
            failure = error
            with suppress(TargetUnavailable):  # `sweep` removes the rest later
                self._delete(container)
        with self._lock:
            self._hidden.discard(name)
            del self._starts[key]
            if failure is None:
                self._containers[name] = container
        if failure is None:
            start.set_result(container)
            self._listen(container)
        else:
            start.set_exception(failure)

    def _start(self, container: PoolContainer, job: Job) -> None:
        config, mounts = self._config, self._mounts
        owner, image = container_spec.owner(config), job.image or config.image
        try:
            make_folder(container.folder, owner)
            mounts = replace(mounts, runtime=self._runtimes.get(image))
            spec = container_spec.pool_container(container.name, job, config, mounts)
            container.start(spec, container_spec.pool_host(container.folder, config, mounts))
        except APIError as error:
            raise gpu.explain(error, image=image, url=self._engine.url) from error
        except PermissionError as error:
            raise LaunchRefused(container_spec.NO_FOLDER.format(*owner)) from error
        except OSError as error:
            raise TargetUnavailable(f"cannot write below {mounts.state}: {error}") from error

    def _delete(self, container: PoolContainer) -> None:
        container.close()
        container.kill()
        shutil.rmtree(container.folder, ignore_errors=True)

    def _listen(self, container: PoolContainer) -> None:
        if self._on_event is None:
            return
        try:
            container.watch(self._on_event)
        except TargetUnavailable as error:
            log.info("%s", error)
