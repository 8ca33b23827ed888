"""A project of one user, to which what happens to folders and machines happens while runs go on."""

import json
import os
import random
import shutil
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from dispatcher.client.errors import AzureMLException
from dispatcher.client.v1.configs.run_configuration import RunConfiguration
from dispatcher.client.v1.configs.script_run_config import ScriptRunConfig
from dispatcher.client.v1.workspaces.experiment import Experiment
from dispatcher.client.v1.workspaces.workspace import Workspace
from tests.chaos.effects import Effects
from tests.rigs import processes
from tests.rigs.waiting import until

SCRIPT = """
import os, sys, time
def note(what):
    line = f"{os.environ['AZUREML_RUN_ID']} {os.environ['DISPATCHER_ATTEMPT']} {what}\\n"
    with open(os.environ["CHAOS_EFFECTS"], "a") as effects:
        effects.write(line)
note("start")
time.sleep(float(sys.argv[1]))
note("end")
"""
RUNS_AFTER_EACH = 4
STRANGER = 12409  # the user id of somebody else


class Project:
    """The project's folder, its runs, and the mishaps.

    Args:
        folder: A folder of the test's own.
        seed: Of the choice of mishaps and of the runs' durations.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self._random = random.Random(seed)
        self._folder, self._moves = folder, 0
        self._project = folder / "project-0"
        (folder / "source").mkdir()
        (folder / "source" / "main.py").write_text(SCRIPT)
        self.effects = Effects(folder / "effects")
        self.runs: list[str] = []
        self.happened: Counter[str] = Counter()
        self.faults: list[str] = []
        self.refusals: list[str] = []
        Workspace.create("mishaps", path=str(self._project))

    @property
    def workspace(self) -> Workspace:
        """The workspace as a program sees it that is started now."""
        return Workspace.from_config(str(self._project))

    @property
    def data(self) -> Path:
        return self._project / ".dispatcher"

    def submit(self) -> None:
        """Submit some runs. One that is refused is submitted again; the refusal is kept."""
        wanted = len(self.runs) + RUNS_AFTER_EACH

        def is_accepted() -> bool:
            try:
                self.runs.append(Experiment(self.workspace, "mishaps").submit(self._config()).id)
            except (AzureMLException, OSError) as error:
                self.refusals.append(str(error))
            return len(self.runs) >= wanted

        until(is_accepted, "the runs are accepted", timeout=120)

    def suffer(self) -> None:
        """Let one mishap happen, drawn by chance."""
        mishap = self._random.choice(self.mishaps())
        self.happened[mishap.__name__] += 1
        mishap()

    def mishaps(self) -> list[Callable[[], None]]:
        return [
            self.move, self.copy, self.kill_service, self.kill_service_and_agents, self.reboot,
            self.clean_tmp, self.other_tmpdir, self.stranger_at_the_port, self.stranger_has_the_pid,
            self.full_disk, self.other_user,
        ]  # fmt: skip

    def move(self) -> None:
        self._moves += 1
        elsewhere = self._folder / f"project-{self._moves}"
        self._project.rename(elsewhere)
        self._project = elsewhere

    def copy(self) -> None:
        """A copy is a workspace of its own: its runs are not the original's, nor its service."""
        twin = self._folder / f"copy-{self.happened['copy']}"
        # As a user does it, while files come and go: those are told of, and left out.
        subprocess.run(["cp", "-a", str(self._project), str(twin)], check=False)
        run = Experiment(Workspace.from_config(str(twin)), "copied").submit(self._config())
        run.wait_for_completion(raise_on_error=False)
        if "copied" in self.workspace.experiments:
            self.faults.append("a run of the copy is in the original")
        self._kill(twin / ".dispatcher")
        shutil.rmtree(twin, ignore_errors=True)

    def kill_service(self) -> None:
        self._signal(self._service_pid())

    def kill_service_and_agents(self) -> None:
        for process in self._members(self.data):
            if "server" in process.command or "dispatcher.agent" in process.command:
                self._signal(process.pid)

    def reboot(self) -> None:
        self._kill(self.data)
        self.clean_tmp()

    def clean_tmp(self) -> None:
        """A cleaner of temporary folders removes the sockets."""
        for path in Path("/tmp").glob(f"dispatcher-{os.geteuid()}-*"):
            if str(path) in self._told("sockets.json"):
                shutil.rmtree(path, ignore_errors=True)

    def other_tmpdir(self) -> None:
        """What is started from now on has another, long TMPDIR."""
        place = self._folder / ("long-" * 20) / str(self.happened["other_tmpdir"])
        place.mkdir(parents=True)
        os.environ["TMPDIR"] = str(place)

    def stranger_at_the_port(self) -> None:
        """The service is gone, and another program answers at its port."""
        port = int(
            json.loads(self._told("service.json") or '{"url": ":0"}')["url"].rpartition(":")[2]
        )
        self._kill(self.data)
        asked: list[str] = []

        class Stranger(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.headers.get("Authorization") or "")
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b'{"status": "ok", "runs": [], "next": null}')

            do_POST = do_GET  # noqa: N815  (the name is the library's)

            def log_message(self, *_arguments: object) -> None:
                """Nothing is logged."""

        with suppress(OSError), ThreadingHTTPServer(("127.0.0.1", port), Stranger) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            try:
                self.workspace.get_run(self.runs[0])
            except (AzureMLException, KeyError) as error:
                self.faults.append(f"a stranger was asked: {error!r}")
            server.shutdown()
        if any(asked):
            self.faults.append("a stranger was given a token")

    def stranger_has_the_pid(self) -> None:
        """The pid in the service's file is another program's now, which nobody ends."""
        self._kill(self.data)
        file = self.data / "service.json"
        if not file.exists():
            return
        child = os.fork()
        if child == 0:
            signal.pause()
            os._exit(0)
        file.write_text(json.dumps({**json.loads(file.read_text()), "pid": child}))
        self.workspace.get_run(self.runs[0])
        if not processes.alive(child):
            self.faults.append("a stranger's process was ended")
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)

    def full_disk(self) -> None:
        """For a moment there is no room where the project is."""
        filler = self._folder / "filler"
        try:
            with filler.open("wb", buffering=0) as file:
                while file.write(b"\0" * (1 << 20)):
                    continue
        except OSError:
            self._try_to_submit()
        finally:
            filler.unlink()

    def other_user(self) -> None:
        """Another user can neither read the data folder nor connect to the sockets."""
        told = self._told("service.json")
        child = os.fork()
        if child == 0:
            os.setgroups([])
            os.setgid(STRANGER)
            os.setuid(STRANGER)
            places = [self.data / "dispatcher.db", Path(json.loads(told)["socket"])] if told else []
            os._exit(sum(os.access(place, os.R_OK | os.W_OK) for place in places))
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
            self.faults.append("another user reads the data folder or the socket")

    def close(self) -> None:
        os.environ.pop("TMPDIR", None)
        self._kill(self.data)

    def _try_to_submit(self) -> None:
        try:
            self.runs.append(Experiment(self.workspace, "mishaps").submit(self._config()).id)
        except (AzureMLException, OSError) as error:
            self.refusals.append(str(error))

    def _config(self) -> ScriptRunConfig:
        config = RunConfiguration()
        config.environment_variables = {"CHAOS_EFFECTS": str(self.effects.path)}
        seconds = round(self._random.uniform(0, 1.5), 2)
        return ScriptRunConfig(
            str(self._folder / "source"), script="main.py", arguments=[seconds], run_config=config
        )

    def _told(self, name: str) -> str:
        file = self.data / name
        return file.read_text() if file.exists() else ""

    def _service_pid(self) -> int:
        told = self._told("service.json")
        return int(json.loads(told)["pid"]) if told else 0

    def _members(self, data: Path) -> list[processes.Process]:
        """The service, the agents and the jobs of a data folder, wherever it was before."""
        names = {str(data)} | {
            str(self._folder / f"project-{k}" / ".dispatcher")
            for k in range(self._moves + 1)
            if data == self.data
        }
        seen = [each for each in processes.processes() if not each.is_zombie]
        return [
            each
            for each in seen
            if any(name in word for name in names for word in each.command)
            or any(name.encode() in line for name in names for line in processes._environ(each.pid))
        ]

    def _kill(self, data: Path) -> None:
        def is_over() -> bool:
            alive = [each for each in self._members(data) if each.pid != os.getpid()]
            for process in alive:
                self._signal(process.pid)
            return not alive

        until(is_over, f"nothing of {data} is alive")

    def _signal(self, pid: int) -> None:
        with suppress(ProcessLookupError):
            if pid:
                os.kill(pid, signal.SIGKILL)
