"""What the cluster's node table says, and when a node's jobs are surely over. Pure.

A node is named after one life of its Ray process: its label `node` where it has one, and the head
of its id. The name must not come back with the next life of the same machine, because a job that
was lost with the first would look as if it had never been launched on the second.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MARGIN = 2.0
SLACK = 1.5
_HEX = 12
_HEX_AFTER_LABEL = 6


@dataclass(frozen=True)
class NodeDescription:
    """A node that can run jobs."""

    node_id: str
    name: str
    address: str
    cpus: float
    gpus: int
    memory_mb: int | None


def describe(record: Mapping[str, Any]) -> NodeDescription | None:
    """Read one record of `ray.nodes()`; None for a node without CPUs and GPUs: not ours."""
    resources = record.get("Resources") or {}
    cpus, gpus = float(resources.get("CPU", 0)), int(resources.get("GPU", 0))
    if not cpus and not gpus:
        return None
    memory = resources.get("memory")
    return NodeDescription(
        node_id=record["NodeID"],
        name=name_of(record),
        address=record["NodeManagerAddress"],
        cpus=cpus,
        gpus=gpus,
        memory_mb=None if memory is None else int(memory) >> 20,
    )


def name_of(record: Mapping[str, Any]) -> str:
    """The node's name, the same for as long as this life of it lasts."""
    node_id, label = str(record["NodeID"]), (record.get("Labels") or {}).get("node")
    return f"{label}-{node_id[:_HEX_AFTER_LABEL]}" if label else node_id[:_HEX]


@dataclass(frozen=True)
class LeaseTerms:
    """How long a node may go on by itself, and what follows for both sides.

    A launcher counts its lease from its own clock as the bridge last confirmed to have seen it, so
    no message that arrives late can extend it. While it hears of no bridge for `patience` seconds
    it may extend it by the cluster's word that its node is alive.
    """

    lease: float

    @property
    def slack(self) -> float:
        """How old a confirmation may be when it is acted on."""
        return min(SLACK, self.lease / 4)

    @property
    def inner(self) -> float:
        """The lease of the node's agent: it runs from the act, not from the confirmation."""
        return self.lease - self.slack

    @property
    def patience(self) -> float:
        return self.lease / 2

    @property
    def beat(self) -> float:
        """How often the bridge is heard, at least."""
        return min(0.7, self.slack / 2)

    def over_at(self, last_contact: float, dead_since: float) -> float:
        """When nothing of a node that is dead to the cluster can be alive any more.

        All times are the bridge's. A launcher that was out of contact for less than its patience
        when its node was declared dead had not begun to ask the cluster, and after that was told
        no more.
        """
        asked = dead_since - last_contact >= self.patience - self.beat
        last = dead_since if asked or math.isinf(last_contact) else last_contact
        return last + self.lease + MARGIN
