"""Allocation `per-run`: each run reserves its resources with Ray, for clusters with other users.

An attempt has one placement group, reserved on all of its nodes or on none. If it has devices, a
small actor in the group holds them and returns their ids. Both are detached and identified by
their names. They are released once no job of the attempt is alive.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayError
from ray.util import get_placement_group, placement_group, remove_placement_group
from ray.util.placement_group import PlacementGroup, placement_group_table
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from targets.ray.remote_node import NodeUnavailable, RemoteNode

log = logging.getLogger(__name__)
WAIT_SECONDS = 5.0
SWEEP_SECONDS = 5.0
PAUSE_SECONDS = 0.1
# Seconds; a wanted attempt is launched again every few seconds until it has its resources.
FORGOTTEN_AFTER = 60.0
_OVER = frozenset({"exited", "removed"})
_PIN = 0.001

Record = dict[str, Any]
Look = Callable[[Mapping[str, "str | None"]], Mapping[str, Record]]


class DeviceHolder:
    """Holds the devices of one job, and returns their ids."""

    def devices(self) -> list[str]:
        gpus = ray.get_runtime_context().get_accelerator_ids().get("GPU", [])
        return [str(gpu) for gpu in gpus]


class PlacementGroups:
    """The placement groups of all attempts.

    Args:
        namespace: The namespace of the groups.
        look: Observes jobs.
    """

    def __init__(self, namespace: str, look: Look) -> None:
        self._namespace, self._observe = namespace, look
        self._prefix = f"{namespace}/"
        self._woken = threading.Event()
        self._lock = threading.Lock()
        self._held: dict[str, dict[str, str | None]] = {}  # attempt → job → node
        self._asked_at: dict[str, float] = {}
        threading.Thread(target=self._sweep_loop, name="leases", daemon=True).start()

    def reserve(
        self, gang: Sequence[Record], nodes: Sequence[RemoteNode], deadline: float
    ) -> list[Record]:
        """Reserve the resources of an attempt; returns its jobs with the devices that they got.

        Raises NodeUnavailable while Ray has none for them; the reservation stays in Ray's queue,
        and is asked for again.
        """
        attempt = str(gang[0]["name"])
        with self._lock:
            self._held[attempt] = {job["name"]: job["node"] for job in gang}
            self._asked_at[attempt] = time.monotonic()
        try:
            group = self._group(attempt, gang, nodes)
            if not group.wait(max(0.0, deadline - time.monotonic())):
                raise NodeUnavailable(f"Ray has not reserved what {attempt} needs yet")
            return [
                self._placed(job, group, k, max(0.1, deadline - time.monotonic()))
                for k, job in enumerate(gang)
            ]
        except (RayError, GetTimeoutError) as error:
            raise NodeUnavailable(f"{attempt}: {error}") from error

    def _group(
        self, attempt: str, gang: Sequence[Record], nodes: Sequence[RemoteNode]
    ) -> PlacementGroup:
        with suppress(ValueError):
            existing: PlacementGroup = get_placement_group(self._prefix + attempt)
            return existing
        bundles = [_bundle(job, node) for job, node in zip(gang, nodes, strict=True)]
        name = self._prefix + attempt
        group: PlacementGroup = placement_group(bundles, "PACK", name=name, lifetime="detached")
        return group

    def _placed(self, job: Record, group: PlacementGroup, index: int, seconds: float) -> Record:
        """The job with the devices that Ray assigned, instead of the planned ones."""
        if not job["gpus"]:
            return job
        strategy = PlacementGroupSchedulingStrategy(group, placement_group_bundle_index=index)
        holder: Any = (
            ray.remote(DeviceHolder)
            .options(
                name=f"lease-{job['name']}",
                namespace=self._namespace,
                lifetime="detached",
                get_if_exists=True,
                max_restarts=-1,
                num_cpus=0,
                num_gpus=len(job["gpus"]),
                scheduling_strategy=strategy,
            )
            .remote()
        )
        devices = dict(
            zip(job["gpus"], ray.get(holder.devices.remote(), timeout=seconds), strict=True)
        )
        ranks = [{**rank, "gpus": [devices[gpu] for gpu in rank["gpus"]]} for rank in job["ranks"]]
        return {**job, "gpus": list(devices.values()), "ranks": ranks}

    def _sweep_loop(self) -> None:
        while True:
            try:
                self.sweep()
            except Exception:
                log.exception("a check of the placement groups failed")
            time.sleep(PAUSE_SECONDS)
            self._woken.wait(SWEEP_SECONDS)
            self._woken.clear()

    def wake(self) -> None:
        """Check soon, because a job has ended."""
        self._woken.set()

    def sweep(self) -> None:
        """Release the groups of attempts of which no job is alive."""
        for attempt, count in self._groups():
            with self._lock:
                asked_at = self._asked_at.setdefault(attempt, time.monotonic())
                jobs = self._held.get(attempt) or dict.fromkeys(_names(attempt, count))
            states = {record["state"] for record in self._observe(jobs).values()}
            is_forgotten = time.monotonic() - asked_at > FORGOTTEN_AFTER
            if states <= _OVER or (is_forgotten and states <= {*_OVER, "absent"}):
                self._release(attempt)

    def _groups(self) -> Iterable[tuple[str, int]]:
        """The attempts with a group, and their numbers of jobs."""
        for record in placement_group_table().values():
            name = record["name"]
            if name.startswith(self._prefix) and record["state"] != "REMOVED":
                yield name[len(self._prefix) :], len(record["bundles"])

    def _release(self, attempt: str) -> None:
        with suppress(ValueError):
            remove_placement_group(get_placement_group(self._prefix + attempt))
        with self._lock:
            self._held.pop(attempt, None)
            self._asked_at.pop(attempt, None)


def _bundle(job: Record, node: RemoteNode) -> dict[str, float]:
    """The bundle of a job, pinned to the node of its placement."""
    resources = {"CPU": float(job["cpus"]), "GPU": float(len(job["gpus"]))}
    resources = {name: amount for name, amount in resources.items() if amount}
    return {**resources, f"node:{node.description.address}": _PIN}


def _names(attempt: str, count: int) -> list[str]:
    return [attempt, *(f"{attempt}.{k}" for k in range(1, count))]
