"""The snapshots and images of a Docker target stay within their limits.

What was used least recently goes first. What was used a short while ago stays, because a launch
that is under way relies on it; so does what a container or a job in one may still need. Whatever
goes is fetched or built again when a job needs it.
"""

import json
import logging
import shutil
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path, PurePath
from typing import Any

from targets.docker.engine import DockerEngine
from targets.docker.guarded_files import names_below, read_below
from targets.docker.images import EnvironmentImages
from targets.docker.snapshots import ContainerSnapshots

EVERY = 3600.0  # seconds between two checks

log = logging.getLogger(__name__)


class DiskLimits:
    """Keeps one target within its limits.

    Args:
        limits: Bytes of `snapshots` in the target's folder and of `environments` on its engine;
            None: without a limit.
        state: The target's folder.
        engine: The target's engine.
        label: The label of the target's containers.
        snapshots: The target's snapshots.
        images: The images of environments.
    """

    def __init__(
        self,
        limits: Mapping[str, int | None],
        state: Path,
        engine: DockerEngine,
        label: str,
        snapshots: ContainerSnapshots,
        images: EnvironmentImages,
    ) -> None:
        self._limits, self._state = limits, state
        self._engine, self._label = engine, label
        self._snapshots, self._images = snapshots, images
        self._applied_at = -EVERY

    def apply_when_due(self) -> None:
        """Apply the limits once an hour. Raises TargetUnavailable."""
        if time.monotonic() - self._applied_at >= EVERY:
            self._applied_at = time.monotonic()
            self.apply(time.time())

    def apply(self, now: float) -> None:
        """Remove what exceeds the limits; `now` is in seconds since the epoch.

        Raises TargetUnavailable.
        """
        trash = self._state / "trash"
        trash.mkdir(mode=0o700, exist_ok=True)
        limit = self._limits.get("snapshots")
        if limit is not None:
            self._snapshots.evict(limit, self._snapshots_in_use(), now, trash)
        for folder in trash.iterdir():  # also that of an earlier service
            log.info("removed from a cache that is larger than its limit: %s", folder)
            shutil.rmtree(folder, ignore_errors=True)
        environments = self._limits.get("environments")
        if environments is not None:
            self._images.evict(environments, now)

    def _snapshots_in_use(self) -> Collection[str]:
        """The snapshots that a container mounts, or that a job in a pool container names."""
        mounted = {
            PurePath(str(mount.get("Source"))).name
            for container in self._engine.containers(self._label).values()
            for mount in container.get("Mounts") or ()
        }
        return mounted.union(self._pooled())

    def _pooled(self) -> Iterator[str]:
        warm = self._state / "warm"
        for container in names_below(self._state, "warm"):
            for name in names_below(warm, container, "jobs"):
                with suppress(OSError, ValueError):
                    job: Any = json.loads(read_below(warm, container, "jobs", name, "job.json"))
                    if isinstance(job, dict) and job.get("snapshot"):
                        yield str(job["snapshot"])
