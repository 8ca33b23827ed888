"""What the Ray target's tests share: a target on a real cluster, a service that takes telemetry,
and small jobs.
"""

import json
import secrets
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from dispatcher.core.runs.jobs import Evidence, Observation, State
from dispatcher.core.scheduling.plan import Node
from dispatcher.wire.jobs import Job, Rank, World
from targets.base import TargetUnavailable
from targets.config import RayConfig
from targets.ray.target import RayTarget
from targets.service_address import ServiceAddress
from tests.rigs import processes
from tests.rigs.raycluster import RayCluster
from tests.rigs.waiting import until


class SpoolService(ThreadingHTTPServer):
    """Takes spools, and knows what jobs have said."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.streams: dict[tuple[str, str], bytearray] = {}
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def take(self, header: dict[str, Any], data: bytes) -> dict[str, Any]:
        stream = self.streams.setdefault((header["run"], header["stream"]), bytearray())
        if header["offset"] <= len(stream):
            stream[header["offset"] :] = data
        key = {name: header[name] for name in ("run", "attempt", "stream")}
        return {**key, "offset": len(stream)}


class _Handler(BaseHTTPRequestHandler):
    server: SpoolService
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        left, acks = int(self.headers["Content-Length"]), []
        while left:
            line = self.rfile.readline()
            header = json.loads(line)
            acks.append(self.server.take(header, self.rfile.read(header["size"])))
            left -= len(line) + header["size"]
        answer = json.dumps({"acks": acks}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        pass


@dataclass
class Rig:
    """A target of a service of its own, and the cluster below it."""

    cluster: RayCluster
    folder: Path
    service: Any  # what it keeps of jobs; `url` is where it listens
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.site = ServiceAddress(
            service_id=secrets.token_hex(4),
            root=self.folder / "targets",
            socket_dir=self.folder,
            service_socket=self.folder / "no-socket",
            service_url=self.service.url,
        )
        self.target = self.new_target()

    def new_target(self) -> RayTarget:
        """The target as a service that has just started makes it: nothing in memory."""
        told = {
            "name": "ray",
            "address": self.cluster.address,
            "node_ip_address": self.cluster.head.address,
            "token": self.cluster.token,
            **self.options,
        }
        return RayTarget(RayConfig.model_validate(told), self.site, "token")

    def restart_service(self) -> None:
        self.target.close()
        self.target = self.new_target()

    def nodes(self, count: int = 1) -> tuple[Node, ...]:
        """The nodes that can take jobs, once there are so many."""

        def enough() -> tuple[Node, ...] | None:
            with suppress(TargetUnavailable):
                nodes = self.target.capacity().nodes
                return nodes if len(nodes) >= count else None
            return None

        return until(enough, f"{count} nodes take jobs", timeout=60)

    def launch(self, *jobs: Job) -> None:
        """Launch, again while the target says that it cannot just now."""
        until(lambda: not self.target.launch(jobs), "the jobs are taken", timeout=20)

    def run(self, one: Job) -> Evidence:
        self.launch(one)
        return self.ended(one)

    def ended(self, one: Job, timeout: float = 30) -> Evidence:
        seen = until(lambda: self._in(one, State.EXITED), f"{one.name} has ended", timeout)
        assert seen.evidence is not None
        return seen.evidence

    def alive(self, one: Job) -> Observation:
        """The job as it is seen once it has told when it started."""

        def started() -> Observation | None:
            seen = self._in(one, State.ALIVE)
            return seen if seen is not None and seen.started_at is not None else None

        return until(started, f"{one.name} lives")

    def stop(self, *jobs: Job) -> None:
        self.target.stop([one.name for one in jobs], grace=0)
        for one in jobs:
            self.ended(one)

    def state(self, one: Job) -> State:
        return self.target.poll([one.name])[one.name].state

    def said(self, one: Job, rank: int | None = None) -> str:
        """What the job has printed, as far as the service has it."""
        suffix = "" if rank is None else f"_process_{rank}"
        stream = (one.run_id, f"log:user_logs/std_log{suffix}.txt")
        return bytes(self.service.streams.get(stream, b"")).decode()

    def close(self) -> None:
        """Let go of the target, and end all that it has left on the cluster."""
        self.target.close()
        namespace = f"dispatcher-{self.site.service_id}-ray"
        with suppress(Exception):
            self.cluster.drive(f"""
                for actor in ray.util.list_named_actors(all_namespaces=True):
                    if actor["namespace"] == {namespace!r}:
                        ray.kill(ray.get_actor(actor["name"], {namespace!r}), no_restart=True)
            """)
        for folder in Path(tempfile.gettempdir()).glob(f"dispatcher-{self.site.service_id}-*"):
            shutil.rmtree(folder, ignore_errors=True)

    def _in(self, one: Job, state: State) -> Observation | None:
        seen = self.target.poll([one.name])[one.name]
        return seen if seen.state is state else None


@contextmanager
def make_rig(cluster: RayCluster, folder: Path, **options: Any) -> Iterator[Rig]:
    service = SpoolService()
    rig = Rig(cluster, folder, service, options)
    try:
        yield rig
    finally:
        rig.close()
        service.shutdown()
        service.server_close()


def job(command: str, node: Node | str, **options: Any) -> Job:
    """A job of a fresh name that runs a shell command on the node."""
    run_id = f"r{secrets.token_hex(4)}"
    name = node if isinstance(node, str) else node.name
    return Job(f"{run_id}-1", run_id, 1, command=command, node=name, **options)


def gang(command: str, nodes: list[str]) -> list[Job]:
    """Two ranks on each node."""
    first = job(command, nodes[0], world=World(2 * len(nodes), len(nodes), "pytorch"))
    return [
        replace(
            first,
            name=first.name + (f".{k}" if k else ""),
            node=node,
            ranks=tuple(Rank(2 * k + local, local, k) for local in (0, 1)),
        )
        for k, node in enumerate(nodes)
    ]


def living(one: Job) -> list[processes.Process]:
    """The processes of a job."""
    return processes.marked(f"DISPATCHER_JOB={one.name}")
