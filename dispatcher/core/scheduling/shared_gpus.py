"""Targets that name the same GPUs: two local targets, or a local one and this machine's Docker.

What a run holds on one of them is not free on the others. Pure.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

from dispatcher.core.scheduling.plan import Capacity

LOCAL_SOCKET = "unix://"
CDI_PREFIX = "nvidia.com/gpu="


def machine_of(config: Mapping[str, Any]) -> str | None:
    """The machine whose GPUs a target names, "" for the service's own; None if it names none."""
    kind = config.get("kind")
    if not config.get("gpus") or kind not in ("local", "docker"):
        return None
    host = str(config.get("docker_host") or "") if kind == "docker" else ""
    return "" if host.startswith(LOCAL_SOCKET) else host


def sharing(target: str, configs: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The other targets that name one of its GPUs."""
    config = configs.get(target, {})
    machine = machine_of(config)
    if machine is None:
        return []
    mine = gpu_names(config["gpus"])
    return [
        name
        for name, other in configs.items()
        if name != target and machine_of(other) == machine and mine & gpu_names(other["gpus"])
    ]


def gpu_names(gpus: Iterable[str]) -> frozenset[str]:
    """The GPUs' names without the prefix that they have in CDI."""
    return frozenset(gpu.removeprefix(CDI_PREFIX) for gpu in gpus)


def without_gpus(capacity: Capacity, taken: Collection[str]) -> Capacity:
    """The capacity less the GPUs of these names."""
    if not taken:
        return capacity
    nodes = tuple(
        replace(node, gpus=tuple(gpu for gpu in node.gpus if not gpu_names([gpu]) & set(taken)))
        for node in capacity.nodes
    )
    return replace(capacity, nodes=nodes)
