"""A throw-away PostgreSQL server: Debian's programs, a private folder, a private port."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg

from tests.rigs import missing, processes
from tests.rigs.waiting import until

# PostgreSQL refuses to run as root.
ACCOUNT = "postgres"


class Postgres:
    """One server. It runs from the constructor on; `stop` ends it and deletes its data."""

    def __init__(self) -> None:
        self._bin = missing.newest("/usr/lib/postgresql/*/bin/postgres", "postgresql").parent
        self._account = ACCOUNT if os.geteuid() == 0 else None
        self.folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
        if self._account:
            shutil.chown(self.folder, self._account)
        self.port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._fill()
        self.start()

    def _fill(self) -> None:
        """Make the data folder."""
        # Nothing here has to outlive a power failure: only its processes are killed.
        data = ["--pgdata", f"{self.folder}/data", "--username", ACCOUNT, "--encoding", "UTF8"]
        self._run("initdb", *data, "--auth", "trust", "--no-locale", "--no-sync")

    def url(self, name: str | None = None) -> str:
        """Make a fresh, empty database and return its address in SQLAlchemy's form.

        A database of that name is thrown away first. Without a name, a new one is made up.
        """
        name = name or f"test_{secrets.token_hex(6)}"
        with psycopg.connect(self._dsn("postgres"), autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'.encode())
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        return self._dsn(name).replace("postgresql://", "postgresql+psycopg://", 1)

    def start(self) -> None:
        """Start the server on the data it has, and return when it answers."""
        options = ["-h", "127.0.0.1", "-p", str(self.port), "-k", str(self.folder)]
        options += ["-c", "fsync=off", "-c", "max_connections=200"]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(self._bin / "postgres"), "-D", f"{self.folder}/data", *options],
                cwd=self.folder,
                user=self._account,
                group=self._account,
                extra_groups=[] if self._account else None,
                stdout=log,
                stderr=log,
                process_group=0,
            )
        until(self._answers, "PostgreSQL answers", timeout=60)

    def crash(self) -> None:
        """Kill the server and everything it started; what was committed is still there."""
        server = self._running()
        server.send_signal(signal.SIGSTOP)  # or it would replace what is killed below
        backends = processes.tree(server.pid)
        server.kill()
        for backend in backends:
            with suppress(ProcessLookupError):
                os.kill(backend.pid, signal.SIGKILL)
        server.wait()
        until(lambda: not any(processes.alive(b.pid) for b in backends), "its backends are gone")
        self._process = None

    def restart(self) -> None:
        """End the server in good order, cutting its connections, and start it again."""
        self._end()
        self.start()

    def stop(self) -> None:
        """End the server and delete its folder."""
        if self._process is not None:
            self._end()
        shutil.rmtree(self.folder, ignore_errors=True)

    def log(self) -> str:
        """What the server has printed so far."""
        return (self.folder / "log").read_text(errors="replace")

    def ask(self, statement: str) -> Any:
        """The first value of a statement's answer; None if it has none."""
        with psycopg.connect(self._dsn("postgres"), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            row = cursor.fetchone() if cursor.description else None
        return row and row[0]

    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "the server does not run"
        return self._process

    def _end(self) -> None:
        server = self._running()
        server.send_signal(signal.SIGINT)  # a "fast" shutdown
        server.wait(timeout=60)
        self._process = None

    def _answers(self) -> bool:
        if self._running().poll() is not None:
            raise RuntimeError(f"PostgreSQL ended:\n{self.log()[-2000:]}")
        try:
            psycopg.connect(self._dsn("postgres"), connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True

    def _dsn(self, name: str) -> str:
        return f"postgresql://{ACCOUNT}@127.0.0.1:{self.port}/{name}"

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self._bin / program), *arguments],
            cwd=self.folder,
            user=self._account,
            group=self._account,
            extra_groups=[] if self._account else None,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{program} failed:\n{done.stdout}{done.stderr}"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
