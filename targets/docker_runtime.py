"""The agent as a folder that containers see read-only, made ready for each image's own Python.

What runs there imports the standard library alone, so it runs in any image that has Python 3.8 or
newer. But images are shipped without bytecode: compiling what the shim imports would be a third of
what a short run takes. So once for each image a container of it, in which nothing but our own code
runs, compiles the agent and what it imports; the first run does not wait for that.
"""

import logging
import os
import secrets
import shutil
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from docker.errors import APIError

from dispatcher.agent.runtime import materialise
from targets.base import TargetUnavailable
from targets.docker_engine import Engine

BYTECODE = ".bytecode"
KNOWN_FOR = 600.0  # seconds until an image's name is looked up again
BUILD_SECONDS = 120

log = logging.getLogger(__name__)


def unpack(folder: Path) -> Path:
    """Have the agent below the folder, one copy a version, and return what to mount.

    A container that runs keeps what it started with when the service is upgraded.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    whole = Path(materialise(str(folder), sys.executable))
    _open_to_all(whole)
    return whole


class Runtimes:
    """The agent's folders, by image. `builder` is what a container that compiles is made of, given
    its name, the image and the folder to mount: arguments of `create_container` and of
    `create_host_config`.
    """

    def __init__(
        self,
        plain: Path,
        engine: Engine,
        owner: tuple[int, int],
        builder: Callable[[str, str, Path], tuple[Mapping[str, Any], Mapping[str, Any]]],
    ) -> None:
        self._plain, self._engine, self._owner, self._builder = plain, engine, owner, builder
        self._lock = threading.Lock()
        self._known: dict[str, tuple[float, Path]] = {}

    def get(self, image: str) -> Path:
        """What to mount in a container of the image now."""
        with self._lock:
            since, folder = self._known.get(image, (float("-inf"), self._plain))
            if time.monotonic() < since + KNOWN_FOR:
                return folder
            self._known[image] = time.monotonic(), folder
        name = f"runtime-{image[-20:]}"
        threading.Thread(target=self._find, args=(image,), name=name, daemon=True).start()
        return folder

    def _find(self, image: str) -> None:
        """Have the image's folder, by its id, and use it from now on."""
        try:
            with self._engine.calls() as api:
                found: Mapping[str, Any] = api.inspect_image(image)  # type: ignore[no-untyped-call]
            number = str(found["Id"]).rpartition(":")[2][:16]
            folder = self._plain.with_name(f"{self._plain.name}-{number}")
            if not folder.is_dir():
                self._build(image, folder)
        except (APIError, TargetUnavailable, OSError) as error:
            log.info("no bytecode for image %s: %s", image, error)
            return
        with self._lock:
            self._known[image] = time.monotonic(), folder

    def _build(self, image: str, folder: Path) -> None:
        part = folder.with_name(f"{folder.name}.{secrets.token_hex(4)}")
        try:
            shutil.copytree(self._plain, part)
            (part / BYTECODE).mkdir()
            if (os.geteuid(), os.getegid()) != self._owner:
                for path in (part, *part.rglob("*")):
                    os.chown(path, *self._owner)
            self._compile(f"{folder.name}-{secrets.token_hex(4)}", image, part)
            _open_to_all(part)
            part.rename(folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)

    def _compile(self, name: str, image: str, part: Path) -> None:
        whole, host = self._builder(name, image, part)
        try:
            with self._engine.calls() as api:
                api.create_container(host_config=api.create_host_config(**host), **whole)
                api.start(name)
                status = api.wait(name, timeout=BUILD_SECONDS)["StatusCode"]
                if status != 0:
                    raise OSError(api.logs(name, tail=20).decode(errors="replace"))
        finally:
            self._engine.discard(name)


def _open_to_all(folder: Path) -> None:
    """Whatever the umask: any user of a container may read it."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
