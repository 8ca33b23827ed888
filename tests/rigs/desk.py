"""A user's desk: a workspace, its embedded service, and scripts to submit by the real SDK."""

import json
import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dispatcher.client.v1.configs.run_configuration import RunConfiguration
from dispatcher.client.v1.configs.script_run_config import ScriptRunConfig
from dispatcher.client.v1.runs.run import Run
from dispatcher.client.v1.workspaces.experiment import Experiment
from dispatcher.client.v1.workspaces.workspace import Workspace
from dispatcher.wire import encoding
from tests.rigs import processes
from tests.rigs.waiting import until


class Desk:
    """One workspace. Everything that it started is gone after `close`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._home = os.environ.get("DISPATCHER_HOME")
        os.environ["DISPATCHER_HOME"] = str(root / "home")
        self.folder = root / "ws"
        self.workspace = Workspace.create("desk", path=str(self.folder))
        self.data = Path(self.workspace.data_folder)
        self.experiment = Experiment(self.workspace, "acceptance")
        self.further: list[Path] = []

    def attach(self, name: str, **config: Any) -> dict[str, Any]:
        """Make a target, ask it once whether it answers, and return what is known of it."""
        body = encoding.dumps({"name": name, **config})
        self.workspace.service.send("PUT", f"/targets/{name}", body=body)
        told: dict[str, Any] = self.workspace.service.post(f"/targets/{name}/ping")
        return told

    def attach_answering(self, name: str, **config: Any) -> None:
        """Make a target that answers; on a loaded machine its first answer may take a while."""
        self.attach(name, **config)

        def answers() -> bool:
            return bool(self.workspace.service.post(f"/targets/{name}/ping")["answers"])

        until(answers, f"target {name} answers", timeout=120)

    def source(self, name: str, **scripts: str) -> str:
        """A source folder with these scripts, `main` as main.py and so on."""
        folder = self.root / "sources" / name
        folder.mkdir(parents=True, exist_ok=True)
        for script, text in scripts.items():
            (folder / f"{script}.py").write_text(text)
        return str(folder)

    def config(
        self, source: str, *arguments: Any, script: str = "main.py", **fields: Any
    ) -> ScriptRunConfig:
        """What to run; `fields` are set on the run configuration."""
        run_config = RunConfiguration()
        for name, value in fields.items():
            setattr(run_config, name, value)
        return ScriptRunConfig(
            source, script=script, arguments=list(arguments), run_config=run_config
        )

    def submit(self, source: str, *arguments: Any, **fields: Any) -> Run:
        return self.experiment.submit(self.config(source, *arguments, **fields))

    def view(self, run_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.workspace.service.get(f"/runs/{run_id}")
        return found

    def attempts(self, run_id: str) -> list[dict[str, Any]]:
        found = self.workspace.service.get(f"/runs/{run_id}/attempts")
        return list(found["attempts"])

    def pid(self) -> int:
        """The service's process."""
        return int(json.loads((self.data / "service.json").read_text())["pid"])

    def kill_service(self) -> None:
        pid = self.pid()
        os.kill(pid, signal.SIGKILL)
        until(lambda: not Path(f"/proc/{pid}/exe").exists(), "the service is gone")

    def close(self) -> None:
        """End the service, the agents, and what they run."""

        def is_over() -> bool:
            alive = self.members()
            for process in alive:  # again and again: one may have started another meanwhile
                processes_kill(process.pid)
            return not alive

        until(is_over, "nothing of the desk is alive")
        if self._home is None:
            os.environ.pop("DISPATCHER_HOME", None)
        else:
            os.environ["DISPATCHER_HOME"] = self._home
        shutil.rmtree(self.root, ignore_errors=True)

    def members(self) -> list[processes.Process]:
        """Everything alive that names this desk's data folder, or was started by its agents.

        `further` are folders of other workspaces that a test made at this desk.
        """
        places = [str(self.data), *(str(folder / ".dispatcher") for folder in self.further)]
        seen = [p for p in processes.processes() if not p.is_zombie]
        return [p for p in seen if any(_belongs(p, place) for place in places)]


def _belongs(process: processes.Process, place: str) -> bool:
    marker = os.fsencode(f"{place}/nodes")
    return any(place in word for word in process.command) or any(
        marker in entry for entry in processes._environ(process.pid)
    )


def processes_kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


@contextmanager
def desk(root: Path) -> Iterator[Desk]:
    """A desk for one test or one module."""
    made = Desk(root)
    try:
        yield made
    finally:
        made.close()
