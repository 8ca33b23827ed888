"""Jobs on the nodes of a Ray cluster: one launcher for each node, no Ray job or actor for a run.

The service calls a bridge process (`bridge_client.py`), which calls a detached launcher on each
node (`launcher.py`), which runs our node agent. Service and bridge may end and come back at any
time: jobs continue, and their states are read from the launchers again. The nodes of jobs are
remembered here only to save asking all nodes.
"""

import hashlib
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dispatcher.agent.folders import write_bytes
from dispatcher.agent.runtime import build_zip
from dispatcher.core.runs.jobs import Observation, State
from dispatcher.core.scheduling.plan import Capacity, Node
from dispatcher.wire.jobs import Job, encode_job
from targets.base import Report, TargetError, TargetUnavailable
from targets.config import RayConfig
from targets.ray import bridge_client
from targets.service_address import ServiceAddress

# Seconds without jobs and without a service after which a launcher ends and frees its devices.
IDLE_SECONDS = 600.0


class RayTarget:
    """See `targets.base.Target`."""

    def __init__(self, config: RayConfig, site: ServiceAddress, agent_token: str) -> None:
        self._config = config
        self._report: Report | None = None
        self._nodes_of: dict[str, str] = {}
        folder = site.root / config.name
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._bridge = bridge_client.BridgeClient(
            bridge_client.command(config.python, folder),
            _environment(config),
            _greeting(config, site, agent_token, _runtime(folder)),
            folder,
            self._on_events,
        )

    def capacity(self) -> Capacity:
        return Capacity(tuple(map(self._node, self._bridge.ask("capacity")["nodes"])))

    def launch(self, jobs: Sequence[Job]) -> Mapping[str, TargetError]:
        by_name = {job.name: job for job in jobs}
        if not by_name:
            return {}
        self._nodes_of.update({job.name: job.node for job in jobs})
        answer = self._bridge.ask(
            "launch", jobs=[encode_job(_adapted(job)) for job in by_name.values()]
        )
        return {name: TargetUnavailable(why) for name, why in answer["failures"].items()}

    def poll(self, names: Collection[str]) -> Mapping[str, Observation]:
        if not names:
            return {}
        answer = self._bridge.ask("observe", names=self._placed(names))
        return self._observations(answer["observations"])

    def jobs(self) -> Mapping[str, Observation]:
        return self._observations(self._bridge.ask("jobs")["observations"])

    def stop(self, names: Collection[str], grace: float) -> None:
        self._bridge.ask("stop", names=self._placed(names), grace=grace)

    def remove(self, names: Collection[str]) -> None:
        self._bridge.ask("remove", names=self._placed(names))
        for name in names:
            self._nodes_of.pop(name, None)

    def watch(self, report: Report) -> None:
        self._report = report

    def close(self) -> None:
        self._bridge.close()

    @property
    def bridge_pid(self) -> int | None:
        """The process id of the bridge, for diagnostics."""
        return self._bridge.pid

    def _node(self, records: Mapping[str, Any]) -> Node:
        most = self._config.cpus_per_node
        cpus = records["cpus"] if most is None else min(most, records["cpus"])
        return Node(records["name"], cpus, tuple(records["gpus"]), records["memory_mb"])

    def _placed(self, names: Collection[str]) -> dict[str, str | None]:
        return {name: self._nodes_of.get(name) for name in names}

    def _on_events(self, events: list[dict[str, Any]]) -> None:
        if self._report is not None:
            self._report({record["name"]: Observation.of(record) for record in events})

    def _observations(self, records: Mapping[str, Mapping[str, Any]]) -> dict[str, Observation]:
        observations = {name: Observation.of(record) for name, record in records.items()}
        for name, observation in observations.items():
            node = records[name].get("node")
            if observation.state in (State.ALIVE, State.CREATED, State.EXITED) and node:
                self._nodes_of[name] = node
            elif observation.state is State.REMOVED:
                self._nodes_of.pop(name, None)
        return observations


def _adapted(job: Job) -> Job:
    """Hide the node's devices from a job that was given none; it inherits from the node alone."""
    return replace(job, hide_gpus=not job.gpus, inherits=None)


def _environment(config: RayConfig) -> dict[str, str]:
    """The bridge's environment: ours, without variables that name another cluster.

    Token authentication is set explicitly, because Ray's own choice depends on files.
    """
    variables = {k: v for k, v in os.environ.items() if not k.startswith(("RAY_", "PYTHON"))}
    variables["RAY_USAGE_STATS_ENABLED"] = "0"
    if config.token is None:
        return {**variables, "RAY_AUTH_MODE": "disabled"}
    return {
        **variables,
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": config.token.get_secret_value(),
    }


def _greeting(config: RayConfig, site: ServiceAddress, token: str, runtime: Path) -> dict[str, Any]:
    service = {"socket": str(site.service_socket), "url": site.service_url, "token": token}
    return {
        "address": config.address,
        "node_ip_address": config.node_ip_address,
        "namespace": f"dispatcher-{site.service_id}-{config.name}",
        "owner": f"{site.service_id}-{config.name}",
        "idle": IDLE_SECONDS,
        "service": service,
        "caches": dict(site.cache_limits),
        "lease": config.lease_seconds,
        "exclusive": config.allocation == "exclusive",
        "code": str(runtime),
    }


def _runtime(folder: Path) -> Path:
    """Write the in-run code to a file for the bridge."""
    code = build_zip()
    path = folder / f"runtime-{hashlib.sha256(code).hexdigest()[:12]}.zip"
    if not path.exists() or path.read_bytes() != code:
        write_bytes(str(path), code)
    return path
