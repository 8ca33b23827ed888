"""A real service process in a folder of its own: started, killed, started again.

The client is the product's own transport: it looks for the service again after a lost connection
and repeats its call, as every user's program does. `kept_alive` is what an init system does: while
it holds, a service that died is started again at once.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

from dispatcher.agent import cgroups
from dispatcher.client.api.connection import ApiConnection
from dispatcher.client.api.service import find
from dispatcher.client.api.snapshots.snapshot import Snapshots
from dispatcher.client.errors import ServiceException
from dispatcher.server.settings import Settings
from dispatcher.wire.address import Address
from tests.rigs import processes
from tests.rigs.waiting import until

COMMAND = ["-m", "dispatcher.cli.main", "server", "run", "--data-dir"]
PATIENCE = 60.0  # seconds for which a call is repeated while the service is away


class Living(Protocol):
    """What is needed of a process."""

    pid: int

    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def kill(self) -> None: ...
    def terminate(self) -> None: ...


SHARED_KEY = "5" * 64  # of all services on one database


class Service:
    """One service and all that it starts. It runs after `start`; `close` leaves nothing behind.

    `patches` is a folder that the service's interpreter imports `sitecustomize` from.
    """

    def __init__(
        self,
        folder: Path,
        database_url: str = "",
        patches: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.data.mkdir(parents=True)
        self.log_path = folder / "service.log"
        self._environment = {**os.environ, **(environment or {})}
        if database_url:
            self._environment["DISPATCHER_DATABASE_URL"] = database_url
            self._environment.setdefault("DISPATCHER_SIGNING_KEY", SHARED_KEY)
        if patches is not None:
            self._environment["PYTHONPATH"] = str(patches)
        self._settings = Settings(data_dir=self.data)
        self._process: Living | None = None
        self._address: Address | None = None
        self.restarts = 0

    @property
    def pid(self) -> int:
        assert self._process is not None, "the service does not run"
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def socket_folder(self) -> Path:
        """Where the service's own socket is; containers see this folder."""
        return self._settings.socket.parent

    def start(self) -> None:
        """Start the service and return when it answers."""
        self.spawn()
        self.wait_healthy()

    def spawn(self, **environment: str) -> None:
        """Start the service and return at once."""
        self._process = self._launch(environment)

    def _launch(self, environment: Mapping[str, str]) -> Living:
        with self.log_path.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, *COMMAND, str(self.data)],
                env={**self._environment, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait_healthy(self) -> None:
        until(self._answers, "the service answers", timeout=60)
        if self._address is None:
            self._address = self._find()
            assert self._address is not None
            self.transport = self.client()

    def is_healthy(self) -> bool:
        return self._find() is not None

    def kill(self) -> None:
        """SIGKILL; its agents and jobs go on."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def kill_only(self) -> None:
        """SIGKILL, and let whoever keeps the service notice."""
        os.kill(self.pid, signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM, and wait for the end."""
        assert self._process is not None
        self._process.terminate()
        self._process.wait(timeout=30)

    def restart(self) -> None:
        self.kill()
        self.start()

    @contextmanager
    def kept_alive(self, pause: float = 0.0) -> Iterator[None]:
        """Start the service again whenever it has died, after so many seconds."""
        over = threading.Event()
        keeper = threading.Thread(target=self._keep, args=(over, pause), name="keeper")
        keeper.start()
        try:
            yield
        finally:
            over.set()
            keeper.join()
            if not self.is_alive:
                self.start()

    def close(self) -> None:
        """End the service, its agents and all jobs, and delete what they keep outside."""
        if self.is_alive:
            self.kill()
        until(self._end_leftovers, "nothing of the service is alive")
        for group in self.groups():
            cgroups._remove_below(str(group))
            cgroups._remove(str(group))
        shutil.rmtree(self._settings.socket_dir, ignore_errors=True)

    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def members(self) -> list[processes.Process]:
        """Everything alive that belongs to this service: agents, shims, jobs."""
        place = str(self.data).encode()
        return [p for p in processes.processes() if not p.is_zombie and _belongs(p, place)]

    def groups(self) -> Iterator[Path]:
        """The control groups of its agents; each job has one below."""
        for root in (self.data / "nodes").glob("*"):
            label = f"dispatcher-{uuid.uuid5(uuid.NAMESPACE_URL, str(root)).hex[:12]}"
            yield from _groups(label)

    def agents(self, target: str = "local") -> list[processes.Process]:
        return processes.running("dispatcher.agent serve", str(self.data / "nodes" / target))

    # The client's side.

    def client(self, patience: float = PATIENCE) -> ApiConnection:
        """A client of its own; it repeats a call for so many seconds while the service is away."""
        assert self._address is not None, "the service was never started"
        return ApiConnection(self._address, self._relocate, retry_seconds=patience)

    def submit(self, *specs: Mapping[str, Any]) -> list[dict[str, Any]]:
        body = {"runs": [{"experiment": "chaos", **spec} for spec in specs], "brief": True}
        answer: dict[str, Any] = self.transport.post("/runs", body)
        return list(answer["runs"])

    def view(self, run_id: str) -> dict[str, Any]:
        seen: dict[str, Any] = self.transport.get(f"/runs/{run_id}")
        return seen

    def find_run(self, run_id: str) -> dict[str, Any] | None:
        """The run, or None if the service does not know it."""
        try:
            return self.view(run_id)
        except ServiceException as error:
            if error.status_code == 404:
                return None
            raise

    def cancel(self, run_id: str) -> dict[str, Any]:
        seen: dict[str, Any] = self.transport.post(f"/runs/{run_id}/cancel")
        return seen

    def wait(self, ids: Sequence[str], seconds: float) -> dict[str, str]:
        """The runs' statuses once all have ended, or when time is up."""
        body = {"ids": list(ids), "wait": seconds}
        answer = self.transport.ask("/runs/wait", body, timeout=seconds + 30)
        return dict(answer["statuses"])

    def attach(self, name: str, **config: Any) -> None:
        """Make a target."""
        body = json.dumps({"name": name, **config}).encode()
        self.transport.send("PUT", f"/targets/{name}", body=body)

    def snapshot(self, folder: Path) -> str:
        """Upload a folder; its id."""
        cache = self.folder / "client"
        cache.mkdir(exist_ok=True)
        return Snapshots(self.transport, str(cache)).take(str(folder))

    def _find(self) -> Address | None:
        return find(str(self.data))

    def _relocate(self) -> Address:
        return self._find() or self.transport.address

    def _answers(self) -> bool:
        if not self.is_alive:
            raise RuntimeError(f"the service ended:\n{self.log()[-3000:]}")
        return self._find() is not None

    def _keep(self, over: threading.Event, pause: float) -> None:
        while not over.wait(0.005):
            if not self.is_alive:
                over.wait(pause)
                self.spawn()
                self.restarts += 1

    def _end_leftovers(self) -> bool:
        left = self.members()
        for process in left:
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
        return not left


def _belongs(process: processes.Process, place: bytes) -> bool:
    if process.pid == os.getpid():
        return False
    if place in " ".join(process.command).encode():
        return True
    return any(place in entry for entry in processes._environ(process.pid))


def _groups(label: str) -> Iterator[Path]:
    for folder, names, _files in os.walk("/sys/fs/cgroup"):
        if label in names:
            yield Path(folder, label)
        names[:] = [name for name in names if not name.startswith("dispatcher-")]
