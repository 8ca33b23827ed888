"""Images of environments: packages by run and commit, Dockerfiles by the engine's builder.

A container of the base image installs the packages, as root and with the host's network, where
pip's index can be reached. Certificates, proxies and the index's address are in a mounted folder
and in no layer of the image.
"""

import io
import json
import logging
import secrets
import shutil
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

from docker.errors import APIError, ImageNotFound
from docker.types import LogConfig, Mount

from dispatcher.agent.builds.image_install import CODE
from dispatcher.agent.cache_limits import CacheEntry, surplus
from targets.base import LaunchRefused
from targets.config import DockerConfig
from targets.docker import gpu
from targets.docker.build_inputs import proxies, write_inputs
from targets.docker.container_spec import ROOT, RUNTIME, ContainerMounts
from targets.docker.engine import DockerEngine

REPOSITORY = "dispatcher-env"
LABEL = "dispatcher.environment"
BUILDER_LABEL = "dispatcher.builder"
SECONDS = 3600.0
MARK_EVERY = 3600.0  # seconds between two notes that an image is used
KEPT_SECONDS = 86_400.0  # after its last use an image stays that long
_NEEDED = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "SETGID", "SETUID"]
_DOCKERFILE = ".dispatcher.Dockerfile"
log = logging.getLogger(__name__)
Recipe = Mapping[str, Any]
Say = Callable[[str], None]


class ImageBuildFailed(Exception):
    """The image cannot be built from its recipe; the text is the reason."""


@dataclass(frozen=True)
class ImagePlan:
    """A wanted image: its tag, its recipe, its base, and the folder of a Dockerfile.

    `base` is None if a Dockerfile defines the image.
    """

    tag: str
    recipe: Recipe
    base: str | None
    context: Path | None = None


class EnvironmentImages:
    """The images of environments on one engine."""

    def __init__(self, config: DockerConfig, engine: DockerEngine, mounts: ContainerMounts) -> None:
        self._engine, self._mounts = engine, mounts
        self._builds = DockerEngine(config.docker_host, SECONDS)
        self._label = f"{BUILDER_LABEL}={mounts.service_id}-{config.name}"
        self._lock = threading.Lock()
        self._is_swept = False

    def plan(self, recipe: Recipe, image: str, context: Path | None) -> ImagePlan:
        """The plan of an environment's image. Raises LaunchRefused if its base is missing."""
        key = str(recipe["key"])
        if recipe.get("dockerfile"):
            return ImagePlan(f"{REPOSITORY}:{key}", recipe, None, context)
        try:
            with self._engine.calls(judged=True) as api:
                description = api.inspect_image(image)  # type: ignore[no-untyped-call]
        except APIError as error:
            raise gpu.explain(error, image=image, url=self._engine.url) from error
        number = str(description["Id"]).rpartition(":")[2][:12]
        return ImagePlan(f"{REPOSITORY}:{key}-{number}", recipe, image)

    def has(self, tag: str) -> bool:
        """Whether the image exists; if so, it counts as used now.

        The engine creates images atomically. It keeps when an image was tagged last, for all who
        share the engine; so an image that is used is given its tag again.
        """
        with self._engine.calls() as api, suppress(ImageNotFound):
            image = api.inspect_image(tag)  # type: ignore[no-untyped-call]
            if time.time() - _used_at(image) > MARK_EVERY:
                repository, _, name = tag.partition(":")
                api.tag(tag, repository, name)
            return True
        return False

    def evict(self, limit: int, now: float) -> None:
        """Remove the images of environments that were used least recently.

        It ends when the rest is within the limit. An image that a container has, or that was used
        within a day, stays, whoever shares the engine.

        Args:
            limit: Bytes on the engine, without layers that other images have as well.
            now: Seconds since the epoch.

        Raises:
            TargetUnavailable: The engine does not answer.
        """
        with self._builds.calls() as api:
            found, in_use = [], set()
            for image in api.df()["Images"]:
                if not image.get("RepoTags") or LABEL not in (image.get("Labels") or {}):
                    continue
                tag = image["RepoTags"][0]
                with suppress(ImageNotFound):  # somebody has removed it meanwhile
                    used_at = _used_at(api.inspect_image(tag))  # type: ignore[no-untyped-call]
                    found.append(CacheEntry(tag, image["Size"] - image["SharedSize"], used_at))
                    if image["Containers"] > 0 or used_at > now - KEPT_SECONDS:
                        in_use.add(tag)
            for tag in surplus(found, limit, in_use):
                try:
                    api.remove_image(tag)
                    log.info("removed the image %s: images exceed their limit", tag)
                except APIError as error:
                    if error.status_code not in (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT):
                        raise  # a conflict: a container has it

    def build(self, plan: ImagePlan, container: str, say: Say) -> None:
        """Build the image with a container of that name.

        Raises ImageBuildFailed, TargetUnavailable.
        """
        base = plan.base
        self.sweep()
        try:
            if base is None:
                is_all = not (plan.recipe.get("pip") or plan.recipe.get("conda"))
                base = plan.tag if is_all else f"{plan.tag}-base"
                self._by_dockerfile(plan, base, say)
                if is_all:
                    return
            self._by_commit(plan, base, container, say)
        except APIError as error:
            raise ImageBuildFailed(f"cannot be built: {error.explanation or error}") from error

    def end(self, container: str) -> None:
        """End the build that uses this container, if it is under way."""
        self._engine.discard(container)

    def sweep(self) -> None:
        """Remove, once, the containers of builds of a killed service."""
        with self._lock:
            if not self._is_swept:
                for name in self._engine.containers(self._label):
                    self._engine.discard(name)
            self._is_swept = True

    def close(self) -> None:
        self._builds.close()

    def _by_dockerfile(self, plan: ImagePlan, tag: str, say: Say) -> None:
        dockerfile = plan.recipe["dockerfile"]
        with tempfile.TemporaryFile() as file, self._builds.calls(judged=True) as api:
            _pack(file, dockerfile, plan.context)
            file.seek(0)
            for step in api.build(
                fileobj=file,
                custom_context=True,
                dockerfile=_DOCKERFILE,
                tag=tag,
                rm=True,
                forcerm=True,
                decode=True,
                network_mode="host",
                buildargs=proxies(),
                labels={LABEL: str(plan.recipe["key"])},
                timeout=int(SECONDS),
            ):
                for line in str(step.get("stream") or step.get("error") or "").splitlines():
                    say(line)
                if "error" in step:
                    raise ImageBuildFailed(f"cannot be built: {str(step['error']).strip()}")

    def _by_commit(self, plan: ImagePlan, base: str, name: str, say: Say) -> None:
        folder = Path(tempfile.mkdtemp(prefix="build-", dir=self._mounts.state))
        try:
            write_inputs(folder, plan.recipe)
            with self._builds.calls(judged=True) as api:
                config = api.inspect_image(base)["Config"]  # type: ignore[no-untyped-call]
                whole, host = self._container(base, config, folder)
                api.create_container(name=name, host_config=api.create_host_config(**host), **whole)
                api.start(name)
                for chunk in api.logs(name, stream=True, follow=True):
                    for line in chunk.decode(errors="replace").splitlines():
                        say(line)
                code = api.wait(name)["StatusCode"]
                if code != 0:
                    raise ImageBuildFailed("cannot be built: its packages cannot be installed")
                say("Keeping the image")
                repository, _, tag = plan.tag.partition(":")
                api.commit(name, repository, tag, changes=_changes(config, plan))
        finally:
            self._engine.discard(name)
            shutil.rmtree(folder, ignore_errors=True)

    def _container(
        self, base: str, config: Mapping[str, Any], folder: Path
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        # An entry point that the base does not have would stay in the image.
        kind = "entrypoint" if config.get("Entrypoint") else "command"
        whole = {
            "image": base,
            kind: ["python3", "-c", CODE, RUNTIME, ROOT],
            "user": "0:0",
            "working_dir": "/",
            "labels": dict([self._label.split("=")]),
        }
        host = {
            "network_mode": "host",
            "cap_drop": ["ALL"],
            "cap_add": _NEEDED,
            "security_opt": ["no-new-privileges"],
            "init": True,
            "log_config": LogConfig(type="json-file", config={"max-size": "50m"}),
            "mounts": [
                Mount(ROOT, str(folder), type="bind"),
                Mount(RUNTIME, str(self._mounts.runtime), type="bind", read_only=True),
            ],
        }
        return whole, host


def _used_at(image: Mapping[str, Any]) -> float:
    """When an image was given a tag last, in seconds since the epoch."""
    text = str((image.get("Metadata") or {}).get("LastTagTime") or image.get("Created") or "")
    try:
        moment = datetime.fromisoformat(text[:19]).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return 0.0
    return max(0.0, moment)  # the year 1: it was never tagged


def _changes(config: Mapping[str, Any], plan: ImagePlan) -> list[str]:
    """The changes that restore the base's settings in the image."""
    entry = config.get("Entrypoint")
    return [
        *([f"ENTRYPOINT {json.dumps(entry)}"] if entry else []),
        f"CMD {json.dumps(config.get('Cmd') or ['python3'])}",
        f"USER {config.get('User') or '0:0'}",
        f"WORKDIR {config.get('WorkingDir') or '/'}",
        f"LABEL {LABEL}={plan.recipe['key']}",
        f"LABEL {BUILDER_LABEL}=",  # otherwise its containers would count as builds
    ]


def container_of(plan: ImagePlan) -> str:
    """A name for the container of one build."""
    return f"{plan.tag.replace(':', '-')}-{secrets.token_hex(4)}"


def _pack(file: Any, dockerfile: str, context: Path | None) -> None:
    """Pack the context's files and the Dockerfile for the builder."""
    with tarfile.open(fileobj=file, mode="w") as archive:
        for path in sorted(context.iterdir()) if context else ():
            archive.add(path, path.name)
        text = dockerfile.encode()
        entry = tarfile.TarInfo(_DOCKERFILE)
        entry.size = len(text)
        archive.addfile(entry, io.BytesIO(text))


def refusal(recipe: Recipe, error: Exception, tail: str) -> LaunchRefused:
    """The refusal of a run whose environment cannot be built."""
    name = recipe.get("name") or "without a name"
    return LaunchRefused(f"the environment {name} {error}", tail)
