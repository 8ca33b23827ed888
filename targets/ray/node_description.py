"""The cluster's node table, and the time after which no job of a lost node is alive. Pure.

A node's name belongs to one start of its Ray process: the label `node` if it has one, and the
beginning of the node id. A restarted node has another name. Otherwise a job that was lost with the
old process would look as if it had never been launched on the new one.
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
    """Read a record of `ray.nodes()`; None for a node without CPUs and GPUs."""
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
    """The node's name, constant while its Ray process lives."""
    node_id, label = str(record["NodeID"]), (record.get("Labels") or {}).get("node")
    return f"{label}-{node_id[:_HEX_AFTER_LABEL]}" if label else node_id[:_HEX]


@dataclass(frozen=True)
class LeaseTerms:
    """The time that a node may run without a bridge, and the derived times, in seconds.

    A launcher counts its lease from the moment, by its own clock, that the bridge last confirmed,
    so a late message cannot extend it. After `patience` seconds without a bridge it may renew the
    lease if the cluster says that its node is alive.
    """

    lease: float

    @property
    def slack(self) -> float:
        """The maximum age of a confirmation that renews the lease."""
        return min(SLACK, self.lease / 4)

    @property
    def inner(self) -> float:
        """The lease of the node's agent; it runs from the renewal, not from the confirmation."""
        return self.lease - self.slack

    @property
    def patience(self) -> float:
        return self.lease / 2

    @property
    def beat(self) -> float:
        """The longest time between two heartbeats."""
        return min(0.7, self.slack / 2)

    def over_at(self, last_contact: float, dead_since: float) -> float:
        """The time after which no job of a lost node can be alive, by the bridge's clock.

        A launcher that had been out of contact for less than its patience when its node was
        declared dead had not asked the cluster yet, and cannot renew its lease afterwards.
        """
        may_have_renewed = dead_since - last_contact >= self.patience - self.beat
        last = dead_since if may_have_renewed or math.isinf(last_contact) else last_contact
        return last + self.lease + MARGIN
