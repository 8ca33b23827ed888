"""The node's environments: each is built once, and kept by the hash of what it is made of.

A build may be killed at any line: what is there counts only once its record is written, and while a
process of a build is alive, whoever started it, its lock keeps others off.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import logging
import os
import shutil
import signal
import threading
import time

from dispatcher.agent.durable_folders import sync_tree
from dispatcher.agent.folders import read_json, write_json
from dispatcher.agent.starting.spawning import interpreter_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO, Any, Callable, Dict, List, Mapping, Optional, Set

    Job = Mapping[str, Any]

log = logging.getLogger(__name__)
TAIL = 2048
_LOOK_EVERY = 0.25
_AT_ONCE = 2  # builds; they fetch and compile, and more of them would be slower


class BuildFailure:
    """Why an environment is not there. With `reason` None nobody had waited for it any more."""

    def __init__(self, reason: Optional[str], tail: str = "") -> None:
        self.reason = reason
        self.tail = tail


class BuildAbandoned(Exception):
    """Nobody waits for the build any more."""


class EnvironmentCache:
    """The environments that this node has, and those that are being built.

    Args:
        folder: Where they lie.
        interpreter: What `python` means for jobs.
        environ: The variables of the agent.
        is_wanted: Whether anybody still waits for a build, by its name.
        on_done: Called, from some thread, with a build's name and what went wrong, if anything did.
    """

    def __init__(
        self,
        folder: str,
        interpreter: str,
        environ: Mapping[str, str],
        is_wanted: Callable[[str], bool],
        on_done: Callable[[str, Optional[BuildFailure]], None],
    ) -> None:
        self._folder, self._interpreter, self._environ = folder, interpreter, environ
        self._is_wanted, self._on_done = is_wanted, on_done
        self._lock = threading.Lock()
        self._turns = threading.Semaphore(_AT_ONCE)
        self._here: Dict[str, str] = {}
        self._coming: Set[str] = set()
        self._closed = False

    def name_of(self, job: Job) -> str:
        """What a job's environment is called here: its key, and the Python that it is made with."""
        base = interpreter_of(job.get("interpreter"), self._interpreter, job.get("env") or {})
        own = hashlib.sha256(os.path.abspath(base).encode()).hexdigest()[:8]
        return f"{os.path.basename(str(job['environment']['key']))}-{own}"

    def python(self, name: str) -> Optional[str]:
        """Its interpreter, if it is here, whole."""
        if name not in self._here:
            record = read_json(f"{self._path(name)}.json") or {}
            if os.path.exists(record.get("python") or ""):
                self._here[name] = str(record["python"])
        return self._here.get(name)

    def want(self, name: str, job: Job, path: str) -> bool:
        """Build it, unless that is being done.

        Args:
            name: Its name.
            job: A job that needs it.
            path: The log that the build writes.

        Returns:
            Whether this is the build's beginning.
        """
        with self._lock:
            if name in self._coming:
                return False
            self._coming.add(name)
        threading.Thread(
            target=self._have, args=(name, job, path), name=f"build-{name[:8]}", daemon=True
        ).start()
        return True

    def close(self) -> None:
        """Let builds go: whoever needs them builds anew."""
        self._closed = True

    def _have(self, name: str, job: Job, path: str) -> None:
        from dispatcher.agent.builds.builder import BuildFailed

        failure: Optional[BuildFailure] = None
        title = str(job["environment"].get("name") or "without a name")
        with open(path, "ab", buffering=0) as output:
            say = LogWriter(output)
            try:
                with self._turns, self._alone(name) as lock:
                    if self.python(name) is None:
                        say(f"Building environment {title} ({name})")
                        self._build(name, job, output, lock)
                        say("The environment is ready.")
            except BuildFailed as error:
                say(f"The environment {error}.")
                failure = BuildFailure(f"the environment {title} {error}", _tail(path))
            except BuildAbandoned:
                say("Nobody waits for the environment any more: its build is ended.")
                failure = BuildFailure(None)
            except Exception as error:
                log.exception("a build failed", extra={"environment": name})
                failure = BuildFailure(
                    f"the environment {title} cannot be built: {error}", _tail(path)
                )
        with self._lock:
            self._coming.discard(name)
        if not self._closed:
            self._on_done(name, failure)

    @contextlib.contextmanager
    def _alone(self, name: str) -> Any:
        """The lock of a build. Its processes have it, too: it is free when none of them lives."""
        os.makedirs(self._folder, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        lock = os.open(f"{self._path(name)}.lock", flags, 0o600)
        try:
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    self._require_wanted(name)
                    time.sleep(_LOOK_EVERY)
            yield lock
        finally:
            os.close(lock)

    def _build(self, name: str, job: Job, output: IO[bytes], lock: int) -> None:
        from dispatcher.agent.builds.builder import BuildFailed, EnvironmentBuilder

        folder = self._path(name)
        shutil.rmtree(folder, ignore_errors=True)  # of a build that was killed

        def run(command: List[str], environ: Dict[str, str]) -> int:
            return self._run(name, command, environ, output, lock)

        env = job.get("env") or {}
        base = interpreter_of(job.get("interpreter"), self._interpreter, env)
        try:
            EnvironmentBuilder(
                job["environment"], base, folder, self._environ, run, LogWriter(output)
            ).build()
        except (BuildFailed, BuildAbandoned):
            shutil.rmtree(folder, ignore_errors=True)
            raise
        sync_tree(folder)  # the record says that all of it is there
        python = f"{folder}/venv/bin/python"
        write_json(f"{folder}.json", {"python": python}, durable=True)

    def _run(
        self, name: str, command: List[str], environ: Dict[str, str], output: IO[bytes], lock: int
    ) -> int:
        import subprocess

        self._require_wanted(name)  # nothing is begun for a job that was canceled meanwhile
        process = subprocess.Popen(
            command,
            env=environ,
            cwd=self._path(name),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            pass_fds=(lock,),
        )
        while True:
            try:
                return process.wait(timeout=_LOOK_EVERY)
            except subprocess.TimeoutExpired:
                try:
                    self._require_wanted(name)
                except BuildAbandoned:
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
                    raise

    def _require_wanted(self, name: str) -> None:
        if self._closed or not self._is_wanted(name):
            raise BuildAbandoned(name)

    def _path(self, name: str) -> str:
        return f"{self._folder}/{name}"


class LogWriter:
    """Writes lines to a log."""

    def __init__(self, output: IO[bytes]) -> None:
        self._output = output

    def __call__(self, line: str) -> None:
        self._output.write(line.encode("utf-8", "replace") + b"\n")


def inside(job: Job, python: str, path: str) -> Dict[str, Any]:
    """The job as it runs in an environment.

    Args:
        job: The job.
        python: The environment's interpreter.
        path: The PATH that jobs inherit.
    """
    binaries = os.path.dirname(python)
    own = dict(job.get("env") or {})
    own["PATH"] = os.pathsep.join([binaries, own.get("PATH") or path])
    own["VIRTUAL_ENV"] = os.path.dirname(binaries)
    return {**job, "interpreter": python, "env": own, "environment": None}


def _tail(path: str) -> str:
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.path.getsize(path) - TAIL))
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""
