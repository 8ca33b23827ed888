"""The bridge's view of the cluster: the present nodes, and lost nodes whose jobs have ended.

The only state that cannot be read again from the cluster is the time of a node's last contact. A
new bridge counts from its own start, so it declares jobs lost late rather than early.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ray
from ray.experimental import internal_kv

from targets.ray.node_description import NodeDescription, describe
from targets.ray.remote_node import LauncherSettings, RemoteNode

log = logging.getLogger(__name__)
LOOK_SECONDS = 0.5
HEAD_SILENT_AFTER = 4.0
GATHER_SECONDS = 6.0


class ClusterChanged(Exception):
    """Another cluster answers at the address than the one of this driver."""


class LostNode:
    """A node that has died. None of its jobs is alive after `over_at`, by the bridge's clock."""

    def __init__(self, over_at: float) -> None:
        self.over_at = over_at
        self.died_at = time.time()
        self.is_reported = False

    @property
    def is_over(self) -> bool:
        return time.monotonic() >= self.over_at


class Cluster:
    """Watches the nodes of a cluster; `follow` runs in a thread of its own.

    Args:
        setting: The settings of the launchers.
        report: Called with observations; an empty list means that anything may have changed.
    """

    def __init__(
        self, setting: LauncherSettings, report: Callable[[Sequence[Mapping[str, Any]]], None]
    ) -> None:
        self._setting, self._report = setting, report
        self._nodes: dict[str, RemoteNode] = {}
        self._gone: dict[str, LostNode] = {}
        self._lock = threading.Lock()
        self._seen_at = time.monotonic()
        self._driver_node = ray.get_runtime_context().get_node_id()
        self._marks = f"{setting.namespace}/"
        self._marked: set[str] = set()
        self._began = False

    @property
    def answers(self) -> bool:
        """Whether the cluster's head has answered recently."""
        return time.monotonic() - self._seen_at < HEAD_SILENT_AFTER

    def node(self, name: str) -> RemoteNode | LostNode:
        """The node of a name. A missing node is lost and does not come back under its name."""
        with self._lock:
            node = self._nodes.get(name) or self._gone.get(name)
            if node is None:
                node = self._gone[name] = self._dead(None)
            return node

    def nodes(self) -> list[RemoteNode]:
        """All present nodes, whether they answer or not."""
        with self._lock:
            return list(self._nodes.values())

    def are_all_known(self) -> bool:
        """Whether every node that may have jobs answers, or is lost and its jobs have ended."""
        with self._lock:
            nodes, lost = list(self._nodes.values()), list(self._gone.values())
        silent = {node.description.name for node in nodes if node.is_silent}
        return self._began and all(each.is_over for each in lost) and not silent & self._marked

    def may_have_jobs(self, name: str) -> bool:
        """Whether this bridge or an earlier one may have launched jobs there."""
        return name in self._marked

    def gather(self) -> list[RemoteNode]:
        """The nodes that can take jobs; waits a few seconds for nodes that have just appeared.

        A node that stays unready is not waited for again: its devices may be used by others.
        """
        while True:
            nodes = self.nodes()
            new = time.monotonic() - GATHER_SECONDS
            if not any(node.met_at > new and not node.is_ready for node in nodes):
                return [node for node in nodes if node.is_ready]
            time.sleep(0.05)

    def follow(self) -> None:
        """Read the node table repeatedly. Raises ClusterChanged."""
        while True:
            self.refresh()
            time.sleep(LOOK_SECONDS)

    def refresh(self) -> None:
        """Read the node table, and note new and lost nodes."""
        records = ray.nodes()  # type: ignore[no-untyped-call]
        alive = [record for record in records if record["Alive"]]
        if self._driver_node not in {record["NodeID"] for record in alive}:
            raise ClusterChanged("the node of this driver is not part of the cluster")
        described = {
            description.name: description
            for description in map(describe, alive)
            if description is not None
        }
        with self._lock:
            departed = [self._nodes.pop(name) for name in self._nodes.keys() - described.keys()]
            for node in departed:
                node.leave()
                self._gone[node.description.name] = self._dead(node)
        if not self._began:
            self._marked, self._began = self._read_marks(), True
            for name in self._marked - described.keys():
                self.node(name)
        for description in described.values():
            self._add_node(description)
        self._seen_at = time.monotonic()
        self._send_events(bool(departed))

    def _add_node(self, description: NodeDescription) -> None:
        if description.name in self._nodes:
            return
        node = RemoteNode(description, self._setting, self._report, self._mark)
        with self._lock:
            self._nodes[description.name] = node
            self._gone.pop(description.name, None)

    def _mark(self, name: str) -> None:
        """Record in the cluster that the node may have jobs, for later bridges."""
        internal_kv._internal_kv_put(self._marks + name, b"1")
        self._marked.add(name)

    def _read_marks(self) -> set[str]:
        keys = internal_kv._internal_kv_list(self._marks)
        return {key.decode()[len(self._marks) :] for key in keys}

    def _dead(self, node: RemoteNode | None) -> LostNode:
        now, terms = time.monotonic(), self._setting.terms
        return LostNode(terms.over_at(-math.inf if node is None else node.last_contact, now))

    def _send_events(self, is_changed: bool) -> None:
        with self._lock:
            over = [(n, g) for n, g in self._gone.items() if g.is_over and not g.is_reported]
        for name, lost in over:
            lost.is_reported = True
            internal_kv._internal_kv_del(self._marks + name)
        if over or is_changed:
            self._report([])
