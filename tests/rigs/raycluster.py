"""A real Ray cluster of several nodes on loopback addresses, each with processes of its own.

A node is killed, hung and resumed as a whole, as a power failure or a stuck machine would do it,
with whatever was started on it. The cluster has its own addresses, ports, temporary folder and
token, so several live side by side.
"""

import json
import os
import random
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from tests.rigs import missing, processes
from tests.rigs.waiting import until

# The head declares a node dead after three seconds of silence instead of a minute.
FAST_FAILURE = {
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "1000",
    "RAY_health_check_failure_threshold": "3",
}
COMMON = [
    "--block",
    "--disable-usage-stats",
    "--log-style=record",
    "--include-log-monitor=false",
    "--object-store-memory=100000000",
    "--min-worker-port=0",
    "--max-worker-port=0",
]


class Node:
    """One node: an address, and all processes that descend from its first one."""

    def __init__(self, address: str, command: list[str], env: Mapping[str, str], log: Path) -> None:
        self.address = address
        self.log = log
        self._marker = f"TEST_RAY_NODE={secrets.token_hex(8)}"
        name, _, value = self._marker.partition("=")
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [*command, *COMMON, f"--node-ip-address={address}"],
                env={**env, name: value},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    @property
    def processes(self) -> set[int]:
        """The ids of what is alive on the node: Ray's own processes, and what those started."""
        return processes.family(self._process.pid, self._marker)

    @property
    def is_running(self) -> bool:
        """Whether the node's first process lives."""
        return self._process.poll() is None

    def kill(self) -> None:
        """End all that runs on the node at once, as a power failure does. Twice is fine."""
        self._signal(signal.SIGSTOP)  # so that nobody mourns, restarts or escapes meanwhile
        while self.processes:
            self._signal(signal.SIGKILL)
            self._process.wait()

    def hang(self) -> None:
        """Stop all that runs on the node; its connections stay open and answer nothing."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a hung node go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, signum: int) -> None:
        for pid in self.processes:
            with suppress(ProcessLookupError):
                os.kill(pid, signum)


class RayCluster:
    """A head without resources, and nodes with some. It runs from the constructor on."""

    def __init__(self, nodes: int = 2, gpus: int = 4, cpus: int = 4) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))  # short, for its sockets
        self.token = secrets.token_hex(16)
        self.env = _environment(self.token)
        self.nodes: list[Node] = []
        # All of 127.0.0.0/8 is this machine; 127.0.0.1 itself Ray would replace.
        self._network = f"127.{random.randint(1, 254)}.{random.randint(0, 255)}"
        self._started = 0
        self._head_address = f"{self._network}.10"
        self.port, self._client_port, self._dashboard_port = (
            _free_port(self._head_address) for _ in range(3)
        )
        self.address = f"{self._head_address}:{self.port}"
        try:
            self.head = self._start_head()
            for _ in range(nodes):
                self.add(gpus=gpus, cpus=cpus)
        except BaseException:
            self.stop()
            raise

    def add(
        self, gpus: int = 4, cpus: int = 4, resources: Mapping[str, float] | None = None
    ) -> Node:
        """Start one more node and return it once the cluster counts it as alive."""
        self._started += 1
        address = f"{self._network}.{10 + self._started}"
        options = [f"--address={self.address}", f"--num-cpus={cpus}", f"--num-gpus={gpus}"]
        options += ["--resources", json.dumps(dict(resources or {}))]
        options += [f"--dashboard-agent-listen-port={_free_port(address)}"]
        node = self._node(address, options)
        self.nodes.append(node)
        self._wait_alive(node)
        return node

    def kill_head(self) -> None:
        """End the head at once. Drivers and nodes notice, and end, after a minute."""
        self.head.kill()

    def restart_head(self) -> None:
        """Kill the head and start a new one, which remembers nothing, at the same address."""
        self.head.kill()
        shutil.rmtree(self.folder / "t", ignore_errors=True)
        self.head = self._start_head()

    def alive(self) -> set[str]:
        """The addresses of the nodes that the cluster believes to be alive; none without a head."""
        if not _listens(self._head_address, self.port):
            return set()
        code = f"""
            import ray._raylet
            nodes = ray._raylet.GcsClient({self.address!r}).get_all_node_info().values()
            print(*(node.node_manager_address for node in nodes if node.state == 0))
        """
        asked = self._python(code)
        return set(asked.stdout.split()) if asked.returncode == 0 else set()

    def drive(self, code: str, timeout: float = 120) -> str:
        """Run code as a Ray driver in a process of its own and return what it printed."""
        connect = (
            "import ray\n"
            f"ray.init(address={self.address!r}, _node_ip_address={self.head.address!r},"
            " namespace='tests', logging_level='ERROR', log_to_driver=False)\n"
        )
        done = self._python(connect + textwrap.dedent(code), timeout)
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr[-2000:]}"
        return done.stdout

    def clear(self) -> None:
        """End every detached actor: what targets of earlier tests hold is free again."""
        self.drive(
            "for found in ray.util.list_named_actors(all_namespaces=True):\n"
            "    try:\n"
            "        ray.kill(ray.get_actor(found['name'], namespace=found['namespace']))\n"
            "    except ValueError:\n"
            "        pass  # it has just ended\n"
        )

    def stop(self) -> None:
        """End every node and delete all that the cluster wrote."""
        started = [*self.nodes, self.head] if hasattr(self, "head") else self.nodes
        for node in started:
            node.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start_head(self) -> Node:
        options = [
            "--head",
            f"--port={self.port}",
            "--num-cpus=0",
            "--num-gpus=0",
            f"--temp-dir={self.folder}/t",
            "--include-dashboard=false",
            f"--dashboard-port={self._dashboard_port}",
            f"--ray-client-server-port={self._client_port}",
        ]
        head = self._node(self._head_address, options)
        self._wait_alive(head)
        return head

    def _node(self, address: str, options: list[str]) -> Node:
        command = [_ray(), "start", *options]
        return Node(address, command, self.env, self.folder / f"{address}.log")

    def _wait_alive(self, node: Node) -> None:
        def joined() -> bool:
            if not node.is_running:
                raise RuntimeError(f"Ray ended:\n{node.log.read_text(errors='replace')[-2000:]}")
            return node.address in self.alive()

        until(joined, f"{node.address} has joined", timeout=120, pause=0.2)

    def _python(self, code: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", textwrap.dedent(code)]
        return subprocess.run(
            command, env=self.env, capture_output=True, text=True, timeout=timeout
        )


def _environment(token: str) -> dict[str, str]:
    """The environment of every process that is, or talks to, a node of the cluster."""
    ours = {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": token,
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_raylet_start_wait_time_s": "120",
    }
    return {**os.environ, **ours, **FAST_FAILURE}


def _ray() -> str:
    path = Path(sys.executable).with_name("ray")
    return str(path) if path.exists() else missing.part("ray", "make setup")


def _free_port(address: str) -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        port: int = probe.getsockname()[1]
        return port


def _listens(address: str, port: int) -> bool:
    """Whether anything accepts connections there; Ray's own client would try for a minute."""
    with suppress(OSError), socket.create_connection((address, port), timeout=2):
        return True
    return False
