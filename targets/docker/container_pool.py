"""The warm containers of one target: found again by their folders, made when one is wanted.

A container's name is made of what its jobs have in common and of a random part, so whoever finds
its folder knows which jobs it takes.
"""

import logging
import secrets
import shutil
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace

from docker.errors import APIError

from dispatcher.core.jobs import Job, Observation
from targets.base import LaunchRefused, TargetUnavailable
from targets.config import DockerConfig
from targets.docker import container_spec, gpu
from targets.docker.bytecode import RuntimeFolders
from targets.docker.container_spec import ContainerMounts
from targets.docker.engine import DockerEngine
from targets.docker.pool_container import PoolContainer, make_folder

log = logging.getLogger(__name__)
Hear = Callable[[PoolContainer, Mapping[str, Observation]], None]


class ContainerPool:
    """All of them. Whoever gives a job to one, or ends one, holds `lock` meanwhile."""

    def __init__(
        self,
        config: DockerConfig,
        mounts: ContainerMounts,
        engine: DockerEngine,
        runtimes: RuntimeFolders,
    ) -> None:
        self._config, self._mounts, self._engine = config, mounts, engine
        self._runtimes = runtimes
        self._folder = mounts.state / "warm"
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.lock = threading.RLock()
        self._directories: dict[str, PoolContainer] = {}
        self._on_event: Hear | None = None

    def __contains__(self, name: str) -> bool:
        return name in self._directories

    def watch(self, on_event: Hear) -> None:
        """Hear what the agents tell, of those that are used from now on."""
        self._on_event = on_event

    def get(self, name: str) -> PoolContainer | None:
        """A container by its name, also one of a service before this one; None if it is gone."""
        with self.lock:
            if name not in self._directories and (self._folder / name).is_dir():
                container = self._directories[name] = PoolContainer(
                    name, self._folder / name, self._engine
                )
                container.used_at = float("-inf")
                self._listen(container)
            return self._directories.get(name)

    def everyone(self) -> list[PoolContainer]:
        """All whose folder is there."""
        names = sorted(path.name for path in self._folder.iterdir())
        return [container for container in map(self.get, names) if container is not None]

    def ready(self, job: Job) -> PoolContainer:
        """One that takes such jobs, and answers. Raises TargetError."""
        key = container_spec.pool_key(job, self._config)
        for container in list(self._directories.values()):
            if container.key == key and container.answers():
                return container
        name = f"{self._config.name}-{key}-w{secrets.token_hex(4)}"
        container = PoolContainer(name, self._folder / name, self._engine)
        try:
            self._start(container, job)
        except BaseException:
            self.forget(container)
            raise
        self._directories[name] = container
        self._listen(container)
        return container

    def forget(self, container: PoolContainer) -> None:
        """End a container, and delete all that it has left."""
        container.close()
        container.kill()
        self._directories.pop(container.name, None)
        shutil.rmtree(container.folder, ignore_errors=True)

    def close(self) -> None:
        """Let go of connections; containers stay for the next target on this folder."""
        for container in list(self._directories.values()):
            container.close()

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

    def _listen(self, container: PoolContainer) -> None:
        if self._on_event is None:
            return
        try:
            container.watch(self._on_event)
        except TargetUnavailable as error:
            log.info("%s", error)
