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
from targets.docker import gpu, profile
from targets.docker.bytecode import Runtimes
from targets.docker.engine import Engine
from targets.docker.profile import Ground
from targets.docker.warm_box import WarmBox, make_folder

log = logging.getLogger(__name__)
Hear = Callable[[WarmBox, Mapping[str, Observation]], None]


class Pool:
    """All of them. Whoever gives a job to one, or ends one, holds `lock` meanwhile."""

    def __init__(
        self, config: DockerConfig, ground: Ground, engine: Engine, runtimes: Runtimes
    ) -> None:
        self._config, self._ground, self._engine = config, ground, engine
        self._runtimes = runtimes
        self._folder = ground.state / "warm"
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.lock = threading.RLock()
        self._boxes: dict[str, WarmBox] = {}
        self._hear: Hear | None = None

    def __contains__(self, name: str) -> bool:
        return name in self._boxes

    def watch(self, hear: Hear) -> None:
        """Hear what the agents tell, of those that are used from now on."""
        self._hear = hear

    def get(self, name: str) -> WarmBox | None:
        """A container by its name, also one of a service before this one; None if it is gone."""
        with self.lock:
            if name not in self._boxes and (self._folder / name).is_dir():
                box = self._boxes[name] = WarmBox(name, self._folder / name, self._engine)
                box.used_at = float("-inf")
                self._listen(box)
            return self._boxes.get(name)

    def everyone(self) -> list[WarmBox]:
        """All whose folder is there."""
        names = sorted(path.name for path in self._folder.iterdir())
        return [box for box in map(self.get, names) if box is not None]

    def ready(self, job: Job) -> WarmBox:
        """One that takes such jobs, and answers. Raises TargetError."""
        key = profile.warm_key(job, self._config)
        for box in list(self._boxes.values()):
            if box.key == key and box.answers():
                return box
        name = f"{self._config.name}-{key}-w{secrets.token_hex(4)}"
        box = WarmBox(name, self._folder / name, self._engine)
        try:
            self._start(box, job)
        except BaseException:
            self.forget(box)
            raise
        self._boxes[name] = box
        self._listen(box)
        return box

    def forget(self, box: WarmBox) -> None:
        """End a container, and delete all that it has left."""
        box.close()
        box.kill()
        self._boxes.pop(box.name, None)
        shutil.rmtree(box.folder, ignore_errors=True)

    def close(self) -> None:
        """Let go of connections; containers stay for the next target on this folder."""
        for box in list(self._boxes.values()):
            box.close()

    def _start(self, box: WarmBox, job: Job) -> None:
        config, ground = self._config, self._ground
        owner, image = profile.owner(config), job.image or config.image
        try:
            make_folder(box.folder, owner)
            ground = replace(ground, runtime=self._runtimes.get(image))
            container = profile.warm_container(box.name, job, config, ground)
            box.start(container, profile.warm_host(box.folder, config, ground))
        except APIError as error:
            raise gpu.explain(error, image=image, url=self._engine.url) from error
        except PermissionError as error:
            raise LaunchRefused(profile.NO_FOLDER.format(*owner)) from error
        except OSError as error:
            raise TargetUnavailable(f"cannot write below {ground.state}: {error}") from error

    def _listen(self, box: WarmBox) -> None:
        if self._hear is None:
            return
        try:
            box.watch(self._hear)
        except TargetUnavailable as error:
            log.info("%s", error)
