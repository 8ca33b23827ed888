"""The calls of a target over all nodes of a cluster, as the bridge carries them out.

A job's node comes with its name if the service knows it; otherwise every node is asked. Jobs, names
and answers are as in docs/protocol.md, section 3.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from targets.ray.cluster import Cluster, LostNode
from targets.ray.placement_groups import PlacementGroups
from targets.ray.remote_node import NodeUnavailable, RemoteNode

Names = Mapping[str, "str | None"]  # job → node, if it is known
Record = dict[str, Any]
RESERVE_SECONDS = 2.0
_NEWS = ("alive", "created", "exited", "removed", "absent")  # the most informative state first


class ClusterOperations:
    """The operations of a bridge; every method may raise NodeUnavailable."""

    def __init__(self, cluster: Cluster, placement_groups: PlacementGroups | None) -> None:
        self._cluster, self._placement_groups = cluster, placement_groups
        self._pool = ThreadPoolExecutor(max_workers=32, thread_name_prefix="call")
        self._outer_pool = ThreadPoolExecutor(max_workers=32, thread_name_prefix="gang")

    def capacity(self) -> Record:
        """The nodes that can take jobs."""
        nodes = [
            {
                "name": node.description.name,
                "cpus": node.description.cpus,
                "gpus": node.gpus if self._placement_groups is None else _placeholder_devices(node),
                "memory_mb": node.description.memory_mb,
            }
            for node in self._cluster.gather()
        ]
        if not nodes:
            raise NodeUnavailable("no node of the cluster accepts jobs now")
        return {"nodes": nodes}

    def launch(self, jobs: Sequence[Record]) -> Record:
        """Give each job to its node; returns the reasons for jobs that may not be started."""
        failures: dict[str, str] = {}
        deadline = time.monotonic() + RESERVE_SECONDS

        def prepare(gang: list[Record]) -> list[Record]:
            try:
                ready = self._prepare_gang(gang, deadline)
            except NodeUnavailable as error:
                failures.update({job["name"]: str(error) for job in gang})
                return []
            if self._placement_groups is None:
                return ready
            self._submit_all(ready, failures)  # at once, without waiting for other reservations
            return []

        gangs = list(_gangs(jobs))
        alone = self._placement_groups is None and all(len(gang) == 1 for gang in gangs)
        each: Callable[..., Iterable[list[Record]]] = map if alone else self._outer_pool.map
        self._submit_all([job for gang in each(prepare, gangs) for job in gang], failures)
        return {"failures": failures}

    def _submit_all(self, jobs: Sequence[Record], failures: dict[str, str]) -> None:
        """Submit each job to its node, all nodes at once."""
        by_node: dict[str, list[Record]] = defaultdict(list)
        for job in jobs:
            by_node[job["node"]].append(job)

        def submit(node: str) -> None:
            try:
                self._submit(node, by_node[node])
            except NodeUnavailable as error:
                failures.update({job["name"]: str(error) for job in by_node[node]})

        list(self._pool.map(submit, by_node))

    def observe(self, names: Names) -> Record:
        """The observation of each job; jobs of a node that does not answer are unknown."""
        observations = self._lost(names)
        rest = {name: node for name, node in names.items() if name not in observations}
        answers = self._ask(rest, lambda node, requested: node.call("observe", requested))
        for node, answer in answers.items():
            for name, record in (answer or {}).items():
                observations[name] = _more_informative(
                    observations.get(name), {**record, "node": node}
                )
        unreachable = (node for node, answer in answers.items() if answer is None)
        # After the calls, because a node may have died meanwhile.
        is_sure = self._cluster.are_all_known() and not any(
            map(self._cluster.may_have_jobs, unreachable)
        )
        for name, placed in rest.items():
            known = observations.get(name)
            if known is None or (known["state"] == "absent" and not placed and not is_sure):
                observations[name] = _record(name, "unknown")
        return {"observations": observations}

    def jobs(self) -> Record:
        """The observations of all jobs on the nodes that answer."""
        observations: dict[str, Record] = {}
        everywhere = self._cluster.nodes()
        for node, answer in zip(everywhere, self._pool.map(_all_of, everywhere), strict=True):
            for name, record in answer.items():
                observations[name] = _more_informative(
                    observations.get(name), {**record, "node": node.description.name}
                )
        return {"observations": observations}

    def stop(self, names: Names, grace: float) -> None:
        """Stop or withdraw. Raises NodeUnavailable if a node that may have
        one of them cannot be reached.
        """
        self._must_reach(names, lambda node, requested: node.call("stop", requested, grace))

    def remove(self, names: Names) -> None:
        self._must_reach(names, lambda node, requested: node.call("remove", requested))

    def _lost(self, names: Names) -> dict[str, Record]:
        """The observations of jobs on lost nodes."""
        observations: dict[str, Record] = {}
        for node, requested in _by_node(names).items():
            lost_node = self._cluster.node(node)
            if isinstance(lost_node, LostNode):
                observations.update({name: _lost(name, node, lost_node) for name in requested})
        return observations

    def _prepare_gang(self, gang: list[Record], deadline: float) -> list[Record]:
        """The jobs of one attempt with their addresses; empty if one of its nodes is lost."""
        members = [self._cluster.node(job["node"]) for job in gang]
        nodes = [node for node in members if isinstance(node, RemoteNode)]
        if len(nodes) < len(gang):
            return []
        if self._placement_groups is not None:
            gang = self._placement_groups.reserve(gang, nodes, deadline)
        if len(gang) == 1:
            return gang
        return self._with_addresses(gang, nodes)

    def _with_addresses(self, gang: list[Record], nodes: Sequence[RemoteNode]) -> list[Record]:
        """The jobs with the address of each node of the request, and a port for each rank."""
        world = gang[0]["world"]
        hosts, ports = [""] * world["nodes"], [0] * world["size"]
        for job, node in zip(gang, nodes, strict=True):
            first = node.call("port", job["name"], len(job["ranks"]))
            for position, rank in enumerate(job["ranks"]):
                hosts[rank["node_rank"]] = node.description.address
                ports[rank["rank"]] = first + position
        addresses = {
            "master_addr": hosts[0],
            "master_port": ports[0],
            "hosts": hosts,
            "ports": ports,
        }
        return [{**job, "world": {**world, **addresses}} for job in gang]

    def _submit(self, name: str, jobs: Sequence[Record]) -> None:
        node = self._cluster.node(name)
        if isinstance(node, RemoteNode) and not node.call("submit", json.dumps(jobs)):
            raise NodeUnavailable(f"node {name} does not accept jobs at the moment")

    def _ask(self, names: Names, call: Callable[[RemoteNode, list[str]], Any]) -> dict[str, Any]:
        """Call each node that may have one of the jobs; None for one that does not answer."""
        placed = _by_node(names)
        anywhere = [name for name, node in names.items() if not node]
        nodes = {node.description.name: node for node in self._cluster.nodes()}
        requested = {name: [*placed.get(name, ()), *anywhere] for name in nodes}

        def call_node(name: str) -> Any:
            try:
                return call(nodes[name], requested[name])
            except NodeUnavailable:
                return None

        concerned = [name for name in nodes if requested[name]]
        return dict(zip(concerned, self._pool.map(call_node, concerned), strict=True))

    def _must_reach(self, names: Names, call: Callable[[RemoteNode, list[str]], Any]) -> None:
        def response(node: RemoteNode, requested: list[str]) -> bool:
            call(node, requested)
            return True

        unreachable = [node for node, answer in self._ask(names, response).items() if not answer]
        named = set(_by_node(names))
        if any(node in named or self._cluster.may_have_jobs(node) for node in unreachable):
            raise NodeUnavailable(f"node {', '.join(unreachable)} does not answer")


def _all_of(node: RemoteNode) -> Mapping[str, Record]:
    try:
        response: Mapping[str, Record] = node.call("observe", None)
    except NodeUnavailable:
        return {}
    return response


def _placeholder_devices(node: RemoteNode) -> list[str]:
    """Placeholder names for devices that Ray assigns when a job starts."""
    return [str(k) for k in range(node.description.gpus)]


def _gangs(jobs: Sequence[Record]) -> Iterable[list[Record]]:
    """The jobs of each attempt together, the job with rank 0 first."""
    gangs: dict[tuple[str, int], list[Record]] = defaultdict(list)
    for job in jobs:
        gangs[job["run_id"], job["attempt"]].append(job)
    for gang in gangs.values():
        yield sorted(gang, key=lambda job: min(rank["rank"] for rank in job["ranks"]))


def _by_node(names: Names) -> dict[str, list[str]]:
    names_of: dict[str, list[str]] = defaultdict(list)
    for name, node in names.items():
        if node:
            names_of[node].append(name)
    return names_of


def _more_informative(known: Record | None, other: Record) -> Record:
    """The more informative of two records: a job withdrawn on one node may run on another."""
    if known is None:
        return other
    return min(known, other, key=lambda record: _NEWS.index(record["state"]))


def _lost(name: str, node: str, lost: LostNode) -> Record:
    if not lost.is_over:
        return _record(name, "unknown")
    evidence = {"reason": f"lost: node {node} is gone", "ended_at": lost.died_at}
    return {**_record(name, "exited"), "evidence": evidence, "node": node}


def _record(name: str, state: str) -> Record:
    return {"name": name, "state": state, "started_at": None, "evidence": None}
