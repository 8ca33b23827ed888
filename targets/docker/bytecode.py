"""The agent's folder with bytecode for the Python of each image.

Images hold no bytecode of the agent, and compiling its modules takes a third of a short run's time.
So a container of each image, in which only our own code runs, compiles them once. No run waits for
that; earlier runs start without bytecode.
"""

import logging
import os
import secrets
import shutil
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from docker.errors import APIError

from dispatcher.agent.durable_folders import is_complete, publish_folder, write_inventory
from targets.base import TargetUnavailable
from targets.config import DockerConfig
from targets.docker import container_spec
from targets.docker.container_spec import BYTECODE, ContainerMounts
from targets.docker.engine import DockerEngine
from targets.docker.runtime import open_to_all

KNOWN_FOR = 600.0  # seconds until an image's name is looked up again
BUILD_SECONDS = 120

log = logging.getLogger(__name__)


class RuntimeFolders:
    """The agent's folder of each image."""

    def __init__(self, config: DockerConfig, mounts: ContainerMounts, engine: DockerEngine) -> None:
        self._config, self._mounts, self._engine = config, mounts, engine
        self._plain = mounts.runtime
        self._owner = container_spec.owner(config)
        self._lock = threading.Lock()
        self._known: dict[str, tuple[float, Path]] = {}
        self._building = threading.Lock()
        self._is_swept = False

    def get(self, image: str) -> Path:
        """The folder to mount in a container of the image now."""
        with self._lock:
            since, folder = self._known.get(image, (float("-inf"), self._plain))
            if time.monotonic() < since + KNOWN_FOR:
                return folder
            self._known[image] = time.monotonic(), folder
        name = f"runtime-{image[-20:]}"
        threading.Thread(target=self._find, args=(image,), name=name, daemon=True).start()
        return folder

    def _find(self, image: str) -> None:
        """Find or build the folder for the image's id, and use it from now on."""
        try:
            with self._engine.calls() as api:
                description: Mapping[str, Any] = api.inspect_image(image)  # type: ignore[no-untyped-call]
            number = str(description["Id"]).rpartition(":")[2][:16]
            folder = self._plain.with_name(f"{self._plain.name}-{number}")
            with self._building:
                self._sweep()
                if not is_complete(str(folder)):
                    shutil.rmtree(folder, ignore_errors=True)
                    self._build(image, folder)
        except (APIError, TargetUnavailable, OSError) as error:
            log.info("no bytecode for image %s: %s", image, error)
            return
        with self._lock:
            self._known[image] = time.monotonic(), folder

    def _sweep(self) -> None:
        """Delete the remains of a service that was killed while it compiled."""
        if self._is_swept:
            return
        for name in self._engine.containers(container_spec.compilers(self._config, self._mounts)):
            self._engine.discard(name)
        for part in self._plain.parent.glob(f"{self._plain.name}-*.*"):
            shutil.rmtree(part, ignore_errors=True)
        self._is_swept = True

    def _build(self, image: str, folder: Path) -> None:
        part = folder.with_name(f"{folder.name}.{secrets.token_hex(4)}")
        try:
            shutil.copytree(self._plain, part)
            (part / BYTECODE).mkdir()
            if (os.geteuid(), os.getegid()) != self._owner:
                for path in (part, *part.rglob("*")):
                    os.chown(path, *self._owner)
            self._compile(f"{folder.name}-{secrets.token_hex(4)}", image, part)
            write_inventory(str(part))
            open_to_all(part)
            publish_folder(str(part), str(folder))
        finally:
            shutil.rmtree(part, ignore_errors=True)

    def _compile(self, name: str, image: str, part: Path) -> None:
        whole, host = container_spec.compiler(name, image, part, self._config, self._mounts)
        try:
            with self._engine.calls() as api:
                api.create_container(host_config=api.create_host_config(**host), **whole)
                api.start(name)
                status = api.wait(name, timeout=BUILD_SECONDS)["StatusCode"]
                if status != 0:
                    raise OSError(api.logs(name, tail=20).decode(errors="replace"))
        finally:
            self._engine.discard(name)
