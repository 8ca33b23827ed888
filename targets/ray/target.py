"""Jobs on the nodes of a Ray cluster: one launcher a node, never a Ray job or actor a run.

The service speaks to a bridge process (`link.py`), that to a detached launcher on each node
(`launcher.py`), which is our node agent there. Service and bridge may end and come back at any
time: the jobs go on, and all that is known of them is asked of the launchers again. What is kept
here of where a job runs only saves asking everywhere.
"""

import hashlib
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dispatcher.agent.runtime import build_zip
from dispatcher.core.jobs import Job, Observation, State
from dispatcher.core.scheduling import Capacity, Node
from targets.base import Report, TargetError, TargetUnavailable
from targets.config import RayConfig
from targets.place import Site
from targets.ray import link

# A launcher that has had neither jobs nor a service for so long gives its devices back.
IDLE_SECONDS = 600.0


class RayTarget:
    """See `targets.base.Target`."""

    def __init__(self, config: RayConfig, site: Site, agent_token: str) -> None:
        self._config = config
        self._report: Report | None = None
        self._places: dict[str, str] = {}
        folder = site.root / config.name
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._link = link.BridgeLink(
            link.command(config.python, folder),
            _environment(config),
            _greeting(config, site, agent_token, _runtime(folder)),
            folder,
            self._hear,
        )

    def capacity(self) -> Capacity:
        return Capacity(tuple(map(self._node, self._link.ask("capacity")["nodes"])))

    def launch(self, jobs: Sequence[Job]) -> Mapping[str, TargetError]:
        wanted = {job.name: job for job in jobs}
        if not wanted:
            return {}
        self._places.update({job.name: job.node for job in jobs})
        answer = self._link.ask("launch", jobs=[_adapted(job).wire() for job in wanted.values()])
        return {name: TargetUnavailable(why) for name, why in answer["failures"].items()}

    def poll(self, names: Collection[str]) -> Mapping[str, Observation]:
        if not names:
            return {}
        answer = self._link.ask("observe", names=self._placed(names))
        return self._taken(answer["observations"])

    def jobs(self) -> Mapping[str, Observation]:
        return self._taken(self._link.ask("jobs")["observations"])

    def stop(self, names: Collection[str], grace: float) -> None:
        self._link.ask("stop", names=self._placed(names), grace=grace)

    def remove(self, names: Collection[str]) -> None:
        self._link.ask("remove", names=self._placed(names))
        for name in names:
            self._places.pop(name, None)

    def watch(self, report: Report) -> None:
        self._report = report

    def close(self) -> None:
        self._link.close()

    @property
    def bridge_pid(self) -> int | None:
        """The process id of the bridge, for whoever looks after the machine."""
        return self._link.pid

    def _node(self, told: Mapping[str, Any]) -> Node:
        most = self._config.cpus_per_node
        cpus = told["cpus"] if most is None else min(most, told["cpus"])
        return Node(told["name"], cpus, tuple(told["gpus"]), told["memory_mb"])

    def _placed(self, names: Collection[str]) -> dict[str, str | None]:
        return {name: self._places.get(name) for name in names}

    def _hear(self, events: list[dict[str, Any]]) -> None:
        if self._report is not None:
            self._report({seen["name"]: Observation.of(seen) for seen in events})

    def _taken(self, told: Mapping[str, Mapping[str, Any]]) -> dict[str, Observation]:
        seen = {name: Observation.of(record) for name, record in told.items()}
        for name, one in seen.items():
            node = told[name].get("node")
            if one.state in (State.ALIVE, State.CREATED, State.EXITED) and node:
                self._places[name] = node
            elif one.state is State.REMOVED:
                self._places.pop(name, None)
        return seen


def _adapted(job: Job) -> Job:
    """A launcher sees all devices of its node; a job that was given none must see none."""
    return replace(job, hide_gpus=not job.gpus)


def _environment(config: RayConfig) -> dict[str, str]:
    """The bridge's environment: ours, without what would make it join another cluster.

    Whether a cluster asks for a token has to be said; what Ray finds by itself depends on files.
    """
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("RAY_", "PYTHON"))}
    kept["RAY_USAGE_STATS_ENABLED"] = "0"
    if config.token is None:
        return {**kept, "RAY_AUTH_MODE": "disabled"}
    return {**kept, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": config.token.get_secret_value()}


def _greeting(config: RayConfig, site: Site, token: str, runtime: Path) -> dict[str, Any]:
    service = {"socket": str(site.service_socket), "url": site.service_url, "token": token}
    return {
        "address": config.address,
        "node_ip_address": config.node_ip_address,
        "namespace": f"dispatcher-{site.service_id}-{config.name}",
        "owner": f"{site.service_id}-{config.name}",
        "idle": IDLE_SECONDS,
        "service": service,
        "lease": config.lease_seconds,
        "exclusive": config.allocation == "exclusive",
        "code": str(runtime),
    }


def _runtime(folder: Path) -> Path:
    """The in-run code as a file that the bridge can read."""
    code = build_zip()
    path = folder / f"runtime-{hashlib.sha256(code).hexdigest()[:12]}.zip"
    if not path.exists():
        making = path.with_suffix(f".{os.getpid()}")
        making.write_bytes(code)
        making.rename(path)
    return path
