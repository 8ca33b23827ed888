"""A private Docker engine: its own data, its own socket, its own life.

Several live side by side. `Dockerd(gpu=True)` has the GPU device driver: dockerd offers it when it
finds NVIDIA's hook in its PATH, so a test double of that name makes the real engine parse, check
and carry out GPU requests on a machine without a GPU.
"""

import os
import shutil
import signal
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

import docker
import requests
from docker.errors import DockerException

from tests.rigs import missing
from tests.rigs.images import host_python_image
from tests.rigs.waiting import until

__all__ = ["IMAGE", "Dockerd", "host_python_image"]

IMAGE = "test/py:1"

# dockerd only looks the name up; runc runs it, with the container's state on standard input.
HOOK = """#!/bin/sh
[ "$1" = prestart ] && [ -n "$GPU_HOOK_LOG" ] || exit 0
state=$(cat)
printf '%s\\n' "$state" >>"$GPU_HOOK_LOG"  # one write: containers start side by side
"""


class Dockerd:
    """One engine. It runs from the constructor on; `stop` ends it and deletes all that it held."""

    def __init__(self, gpu: bool = False, bridge: str = "none", live_restore: bool = True) -> None:
        missing.root("a Docker engine of one's own")
        self._program = missing.program("dockerd", "docker.io")
        # A short path: that of a Unix socket may have 107 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="dkd-", dir="/tmp"))
        self.url = f"unix://{self.folder}/s"
        self.client = docker.DockerClient(base_url=self.url, version="1.41", timeout=60)
        self._environment = dict(os.environ, PATH=f"{os.environ['PATH']}:{missing.SYSTEM_PATH}")
        self._options = [f"--bridge={bridge}", "--iptables=false", "--ip-masq=false"]
        self._options += ["--live-restore"] if live_restore else []
        if gpu:
            self._install_hook()
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def pid(self) -> int:
        """The process id of the engine; it must be running."""
        assert self._process is not None, "the engine does not run"
        return self._process.pid

    def start(self) -> None:
        """Start the engine on what it held before, and return when it answers."""
        for left in ("pid", "exec/containerd/containerd.pid"):  # left behind by a crash
            (self.folder / left).unlink(missing_ok=True)
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command(), env=self._environment, stdout=log, stderr=log, process_group=0
            )
        until(self._answers, f"dockerd answers; its log ends:\n{self.log()[-2000:]}", timeout=60)

    def crash(self) -> None:
        """Kill the engine alone, as a fault in it would; its containers are on their own."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """End the engine in good order and start it again."""
        self._end(signal.SIGTERM)
        self.start()

    def hang(self) -> None:
        """Make the engine deaf: it accepts connections and answers nothing."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let a deaf engine go on."""
        os.kill(self.pid, signal.SIGCONT)

    def stop(self) -> None:
        """Remove every container, end the engine, and delete its folder."""
        if self._process is None:
            self.start()  # or what a crashed engine left running would outlive the session
        with suppress(DockerException, requests.RequestException):
            for container in self.client.containers.list(all=True, ignore_removed=True):
                container.remove(force=True)
        self.client.close()
        self._end(signal.SIGTERM)
        self._unmount()
        shutil.rmtree(self.folder, ignore_errors=True)

    def log(self) -> str:
        """What the engine has printed so far."""
        return (self.folder / "log").read_text(errors="replace")

    def hook_log(self) -> str:
        """What the GPU hook was given so far, one JSON object per started container."""
        path = self.folder / "hook.log"
        return path.read_text() if path.exists() else ""

    def _command(self) -> list[str]:
        at = self.folder
        places = [f"--data-root={at}/data", f"--exec-root={at}/exec", f"--pidfile={at}/pid"]
        return [self._program, *places, f"--host={self.url}", *self._options]

    def _answers(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            raise RuntimeError(f"dockerd ended:\n{self.log()[-2000:]}")
        try:
            return self.client.ping()
        except (DockerException, requests.RequestException):
            return False

    def _end(self, signum: int) -> None:
        assert self._process is not None, "the engine does not run"
        os.kill(self.pid, signal.SIGCONT)
        self._process.send_signal(signum)
        self._process.wait(timeout=60)
        self._process = None

    def _install_hook(self) -> None:
        folder = self.folder / "hook"
        folder.mkdir()
        hook = folder / "nvidia-container-runtime-hook"
        hook.write_text(HOOK)
        hook.chmod(0o755)
        self._environment["PATH"] = f"{folder}:{self._environment['PATH']}"
        self._environment["GPU_HOOK_LOG"] = str(self.folder / "hook.log")

    def _unmount(self) -> None:
        mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
        for mount in reversed([m for m in mounts if m.startswith(f"{self.folder}/")]):
            subprocess.run(["umount", "-l", mount], check=False)
