"""The bridge's view of one node: the handle of its launcher, and whether it answers."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import ActorDiedError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from targets.ray.launcher import NodeLauncher
from targets.ray.node_description import LeaseTerms, NodeDescription

log = logging.getLogger(__name__)
SILENT_AFTER = 3.0
CALL_SECONDS = 5.0
# Bytes; Ray stores arguments below 100 KiB with the actor's description.
_PIECE = 90_000
_AT_ONCE = 32
_LOOK_SECONDS = 0.25


class NodeUnavailable(Exception):
    """The node's launcher does not answer, or cannot at the moment."""


@dataclass(frozen=True)
class LauncherSettings:
    """The settings of all launchers of a bridge."""

    namespace: str
    owner: str
    service: Mapping[str, Any]
    caches: Mapping[str, int | None]
    terms: LeaseTerms
    exclusive: bool
    code: bytes
    version: str
    idle: float


class RemoteNode:
    """A node that the cluster considers alive.

    Args:
        description: The cluster's description of the node.
        setting: The settings of its launcher.
        report: Called with observations; an empty list means that anything may have changed.
        before_use: Called with its name before it first takes jobs.
    """

    def __init__(
        self,
        description: NodeDescription,
        setting: LauncherSettings,
        report: Callable[[Sequence[Mapping[str, Any]]], None],
        before_use: Callable[[str], None],
    ) -> None:
        self.description = description
        self.gpus: tuple[str, ...] = ()
        self.met_at = time.monotonic()
        self.last_contact = -math.inf
        self.is_ready = False
        self._setting, self._report, self._before_use = setting, report, before_use
        self._launcher: Any = None
        self._gone = False
        self._life, self._clock, self._cursor = "", 0.0, -1
        name = f"node-{description.name}"
        threading.Thread(target=self._follow, name=name, daemon=True).start()

    @property
    def is_silent(self) -> bool:
        return time.monotonic() - self.last_contact > SILENT_AFTER

    def leave(self) -> None:
        """Stop calling the node: the cluster has lost it."""
        self._gone = True

    def call(self, method: str, *arguments: Any, seconds: float = CALL_SECONDS) -> Any:
        """Call the launcher. Raises NodeUnavailable."""
        launcher, deadline = self._launcher, time.monotonic() + seconds
        if launcher is None or not self.is_ready:
            raise NodeUnavailable(f"node {self.description.name} does not answer")
        try:
            answer = getattr(launcher, method).remote(*arguments)
            # A launcher that hangs is silent before the deadline; then waiting is of no use.
            while not self.is_silent and time.monotonic() < deadline:
                if ray.wait([answer], timeout=_LOOK_SECONDS)[0]:
                    return ray.get(answer)
        except RayError as error:
            raise NodeUnavailable(
                f"node {self.description.name}: {method}: {_short(error)}"
            ) from error
        raise NodeUnavailable(f"node {self.description.name} does not answer")

    def _follow(self) -> None:
        """Exchange heartbeats until the node has died."""
        while not self._gone:
            try:
                if self._launcher is None:
                    self._launcher = self._get_launcher()
                self._apply_answer(self._beat())
            except ActorDiedError as error:
                log.warning("launcher of %s: %s", self.description.name, _short(error))
                self._launcher = None
                time.sleep(0.5)
            except Exception as error:
                log.warning("launcher of %s: %s", self.description.name, _short(error))
                time.sleep(0.5)

    def _get_launcher(self) -> Any:
        """The node's launcher; created if there is none."""
        description, setting = self.description, self._setting
        pieces = [setting.code[at : at + _PIECE] for at in range(0, len(setting.code), _PIECE)]
        launcher_settings = {
            "owner": setting.owner,
            "node_id": description.node_id,
            "version": setting.version,
            "idle": setting.idle,
        }
        return (
            ray.remote(NodeLauncher)
            .options(
                name=f"launcher-{description.node_id}",
                namespace=setting.namespace,
                lifetime="detached",
                get_if_exists=True,
                max_restarts=-1,
                max_task_retries=0,
                max_concurrency=_AT_ONCE,
                num_cpus=0,
                num_gpus=description.gpus if setting.exclusive else 0,
                scheduling_strategy=NodeAffinitySchedulingStrategy(description.node_id, soft=False),
            )
            .remote(launcher_settings, *pieces)
        )

    def _beat(self) -> Mapping[str, Any]:
        """Exchange one heartbeat. There is one at a time, so a hanging node is not flooded."""
        wait = self._setting.terms.beat
        call = self._launcher.beat.remote(self._life, self._clock, self._cursor, wait)
        while not self._gone:
            finished, _ = ray.wait([call], timeout=1)
            if finished:
                return dict(ray.get(call))
        return {}

    def _apply_answer(self, answer: Mapping[str, Any]) -> None:
        if not answer:
            return
        if answer["version"] != self._setting.version:
            log.warning("launcher of %s is of another version", self.description.name)
            # The launcher's jobs continue, and the next launcher finds them.
            ray.kill(self._launcher, no_restart=True)
            self._launcher = None
            return
        is_new = answer["life"] != self._life
        if not answer["configured"] or (is_new and not self._life):
            setting = self._setting
            lease = {"inner": setting.terms.inner, "slack": setting.terms.slack}
            lease["patience"] = setting.terms.patience
            configured = self._launcher.configure.remote(setting.service, lease, setting.caches)
            ray.get(configured, timeout=CALL_SECONDS)
        was_silent = self.is_silent
        self._life, self._clock, self._cursor = answer["life"], answer["clock"], answer["cursor"]
        self.last_contact = time.monotonic()
        self.gpus = tuple(answer["gpus"])
        if answer["ready"] and not self.is_ready:
            self._before_use(self.description.name)
            self.is_ready = True
        if answer["events"] or is_new or was_silent:
            self._report(answer["events"])


def _short(error: BaseException) -> str:
    return str(error).strip().split("\n")[0][:300] or type(error).__name__
