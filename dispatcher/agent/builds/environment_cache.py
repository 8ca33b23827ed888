"""The node's environments: each is built once and stored under the hash of its recipe.

A build may be killed at any line: an environment counts only once its record is written. All
processes of a build inherit its lock, so a second build waits until all of them have ended.
"""

from __future__ import annotations

import contextlib
import fcntl
import glob
import hashlib
import logging
import os
import shutil
import signal
import threading
import time

from dispatcher.agent import runtime_path
from dispatcher.agent.cache_limits import entries, mark_used, remove, surplus, tree_size
from dispatcher.agent.durable_folders import sync_tree
from dispatcher.agent.folders import read_json, write_json
from dispatcher.agent.starting.spawning import interpreter_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO, Any, Callable, Collection, Dict, List, Mapping, Optional, Set

    Job = Mapping[str, Any]

log = logging.getLogger(__name__)
TAIL = 2048
_CHECK_EVERY = 0.25
_AT_ONCE = 2  # builds; more at once would be slower, because they download and compile


class BuildFailure:
    """Why an environment was not built. `reason` is None if no job waited for it any more."""

    def __init__(self, reason: Optional[str], tail: str = "") -> None:
        self.reason = reason
        self.tail = tail


class BuildAbandoned(Exception):
    """No job waits for the build any more."""


class EnvironmentCache:
    """The environments that this node has, and those that are being built.

    Args:
        folder: Where they lie.
        interpreter: The interpreter that `python` means for jobs.
        environ: The agent's variables.
        is_wanted: Whether a job still waits for a build, by its name.
        on_done: Called from a build's thread with its name and its failure, if it failed.
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
        self._build_slots = threading.Semaphore(_AT_ONCE)
        self._interpreters: Dict[str, str] = {}
        self._sizes: Dict[str, int] = {}
        self._in_progress: Set[str] = set()
        self._closed = False

    def name_of(self, job: Job) -> str:
        """The name of a job's environment here: its key, and a hash of the interpreter's path."""
        base = interpreter_of(job.get("interpreter"), self._interpreter, job.get("env") or {})
        base_hash = hashlib.sha256(os.path.abspath(base).encode()).hexdigest()[:8]
        return f"{os.path.basename(str(job['environment']['key']))}-{base_hash}"

    def python(self, name: str) -> Optional[str]:
        """The environment's interpreter, if the environment is built."""
        if name in self._interpreters:
            mark_used(f"{self._path(name)}.json")
        else:
            record = read_json(f"{self._path(name)}.json") or {}
            if os.path.exists(record.get("python") or ""):
                self._interpreters[name] = str(record["python"])
        return self._interpreters.get(name)

    def request(self, name: str, job: Job, path: str) -> bool:
        """Start to build an environment, unless it is being built.

        Args:
            name: Its name.
            job: A job that needs it.
            path: The log that the build writes.

        Returns:
            Whether this call started the build.
        """
        with self._lock:
            if name in self._in_progress:
                return False
            self._in_progress.add(name)
        threading.Thread(
            target=self._build_and_report,
            args=(name, job, path),
            name=f"build-{name[:8]}",
            daemon=True,
        ).start()
        return True

    def evict(self, limit: Optional[int], in_use: Collection[str], trash: str) -> List[str]:
        """Take the least recently used environments out of the cache; see `SnapshotCache.evict`.

        Args:
            limit: Bytes; None: without a limit.
            in_use: Interpreters and names of environments that stay in any case.
            trash: A folder on the same disk.
        """
        cached = list(entries(self._folder, self._size))
        stay = {entry.name for entry in cached if self._is_used(entry.name, in_use)}
        with self._lock:
            names = surplus(cached, limit, stay | self._in_progress)
            for name in names:
                self._interpreters.pop(name, None)
            moved = [remove(self._folder, name, trash) for name in names]
        return [folder for folder in moved if folder is not None]

    def _is_used(self, name: str, in_use: Collection[str]) -> bool:
        below = f"{os.path.abspath(self._path(name))}/"
        return name in in_use or any(os.path.abspath(each).startswith(below) for each in in_use)

    def _size(self, name: str) -> int:
        record = read_json(f"{self._path(name)}.json") or {}
        if "size" in record:
            return int(record["size"])
        if name not in self._sizes:  # of an earlier release
            self._sizes[name] = tree_size(self._path(name))
        return self._sizes[name]

    def close(self) -> None:
        """Abandon all builds; a later agent builds again."""
        self._closed = True

    def _build_and_report(self, name: str, job: Job, path: str) -> None:
        from dispatcher.agent.builds.builder import BuildFailed

        failure: Optional[BuildFailure] = None
        title = str(job["environment"].get("name") or "without a name")
        with open(path, "ab", buffering=0) as output:
            write_line = LogWriter(output)
            try:
                with self._build_slots, self._build_lock(name) as lock:
                    if self.python(name) is None:
                        write_line(f"Building environment {title} ({name})")
                        self._build(name, job, output, lock)
                        write_line("The environment is ready.")
            except BuildFailed as error:
                write_line(f"The environment {error}.")
                failure = BuildFailure(f"the environment {title} {error}", _tail(path))
            except BuildAbandoned:
                write_line("No run waits for the environment any longer, so its build is stopped.")
                failure = BuildFailure(None)
            except Exception as error:
                log.exception("environment build failed", extra={"environment": name})
                failure = BuildFailure(
                    f"the environment {title} cannot be built: {error}", _tail(path)
                )
        with self._lock:
            self._in_progress.discard(name)
        if not self._closed:
            self._on_done(name, failure)

    @contextlib.contextmanager
    def _build_lock(self, name: str) -> Any:
        """Hold the lock of a build. Its processes inherit it, which frees it when they end."""
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
                    time.sleep(_CHECK_EVERY)
            yield lock
        finally:
            os.close(lock)

    def _build(self, name: str, job: Job, output: IO[bytes], lock: int) -> None:
        from dispatcher.agent.builds.builder import BuildFailed, EnvironmentBuilder

        folder = self._path(name)
        shutil.rmtree(folder, ignore_errors=True)  # left by a build that was killed

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
        for packages in glob.glob(f"{glob.escape(folder)}/venv/lib/python*/site-packages"):
            runtime_path.install(packages)
        sync_tree(folder)  # the record marks the folder as complete
        python = f"{folder}/venv/bin/python"
        record = {"python": python, "size": tree_size(folder)}
        write_json(f"{folder}.json", record, durable=True)

    def _run(
        self, name: str, command: List[str], environ: Dict[str, str], output: IO[bytes], lock: int
    ) -> int:
        import subprocess

        self._require_wanted(name)  # no command starts for jobs that were all canceled
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
                return process.wait(timeout=_CHECK_EVERY)
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
    """Writes lines to the log of a build."""

    def __init__(self, output: IO[bytes]) -> None:
        self._output = output

    def __call__(self, line: str) -> None:
        self._output.write(line.encode("utf-8", "replace") + b"\n")


def in_environment(job: Job, python: str, path: str) -> Dict[str, Any]:
    """The job with the interpreter and variables of an environment.

    Args:
        job: The job.
        python: The environment's interpreter.
        path: The PATH that jobs inherit from the agent.
    """
    binaries = os.path.dirname(python)
    variables = dict(job.get("env") or {})
    variables["PATH"] = os.pathsep.join([binaries, variables.get("PATH") or path])
    variables["VIRTUAL_ENV"] = os.path.dirname(binaries)
    return {**job, "interpreter": python, "env": variables, "environment": None}


def _tail(path: str) -> str:
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.path.getsize(path) - TAIL))
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""
