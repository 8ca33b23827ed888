"""An agent as a process of its own, spoken to as a target does."""

import contextlib
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.rigs.processes import marked
from tests.rigs.waiting import until


class Agent:
    """An agent on a root. It can be killed and started again; its jobs are not ended by that."""

    def __init__(self, root: Path, *options: str) -> None:
        self.root = root
        self._options = options
        self._number = 0
        self.start()

    def start(self) -> None:
        (self.root / "agent.sock").unlink(missing_ok=True)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "dispatcher.agent", "serve", "--root", self.root, *self._options]
        )
        until((self.root / "agent.sock").exists, "the agent's socket is there")
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(self.root / "agent.sock"))
        self._lines = self._socket.makefile("rwb")
        self.events: list[dict[str, Any]] = []

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self._socket.close()

    def restart(self) -> None:
        self.kill()
        self.start()

    def ask(self, op: str, **fields: Any) -> dict[str, Any]:
        self._number += 1
        self._lines.write(json.dumps({"id": self._number, "op": op, **fields}).encode() + b"\n")
        self._lines.flush()
        while True:
            answer: dict[str, Any] = json.loads(self._lines.readline())
            if "event" in answer:
                self.events.append(answer["event"])
                continue
            assert answer["id"] == self._number
            return answer

    def submit(self, *jobs: dict[str, Any]) -> None:
        assert self.ask("submit", jobs=list(jobs))["ok"]

    def observe(self, name: str) -> dict[str, Any]:
        seen: dict[str, Any] = self.ask("observe", names=[name])["observations"][name]
        return seen

    def until(self, name: str, state: str, timeout: float = 30) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            seen = self.observe(name)
            return seen if seen["state"] == state else None

        return until(look, f"{name} is {state}", timeout, pause=0.01)

    def evidence(self, name: str, timeout: float = 30) -> dict[str, Any]:
        """How a job ended."""
        found: dict[str, Any] = self.until(name, "exited", timeout)["evidence"]
        return found

    def run(self, job: dict[str, Any]) -> dict[str, Any]:
        """Submit a job and see how it ends."""
        self.submit(job)
        return self.evidence(job["name"])

    def stop(self, *names: str, grace: float = 5) -> None:
        assert self.ask("stop", names=list(names), grace=grace)["ok"]

    def folder(self, name: str) -> Path:
        return self.root / "jobs" / name

    def log(self, name: str, rank: int | None = None) -> str:
        suffix = "" if rank is None else f"_process_{rank}"
        return (self.folder(name) / f"std_log{suffix}.txt").read_text()

    def state(self, name: str) -> dict[str, Any]:
        """What the shim has written down of the start."""
        path = self.folder(name) / "lock"

        def read() -> dict[str, Any] | None:
            with contextlib.suppress(OSError, ValueError):
                found: dict[str, Any] = json.loads(path.read_text())
                return found if "pids" in found else None
            return None

        return until(read, f"{name} has started")

    def mark(self, name: str) -> str:
        """What every process of the job has in its environment."""
        return f"DISPATCHER_JOB_DIR={self.folder(name)}"


@contextlib.contextmanager
def agent_on(root: Path, *options: str) -> Iterator[Agent]:
    """An agent; in the end all jobs below its root are ended, and so is it."""
    agent = Agent(root, *options)
    try:
        yield agent
    finally:
        names = [path.name for path in (root / "jobs").iterdir()]
        with contextlib.suppress(OSError, ValueError):
            agent.stop(*names, grace=0)
            until(lambda: not any(marked(agent.mark(name)) for name in names[:50]), "all is gone")
        agent.process.terminate()
        agent.process.wait()


def job(name: str, **options: Any) -> dict[str, Any]:
    """A job as the protocol has it."""
    run_id, _, attempt = name.rpartition("-")
    rank = {"rank": 0, "local_rank": 0, "node_rank": 0, "gpus": [], "env": {}}
    fixed = {"name": name, "run_id": run_id, "attempt": int(attempt), "ranks": [rank]}
    defaults: dict[str, Any] = {
        "script": None,
        "command": None,
        "arguments": [],
        "interpreter": "python",
    }
    return {**fixed, **defaults, "env": {}, "grace": 5, "start": "auto", **options}
