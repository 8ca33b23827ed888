"""An installation as an earlier release left it: its data folder, and its database.

`data/release_0007` was written by the last release whose schema was 0007. Its service was killed
while a parent waited for four children on one CPU: the first had ended, the second was in the
middle, two were queued. The folder holds:

- `sqlite.sql`, `postgresql.sql`: the whole database, as `iterdump` and `pg_dump --inserts` wrote
  it, without the comments and settings of `pg_dump`.
- `sqlite_data.json`, `postgresql_data.json`: the files of the data folder, by their path. The locks
  and claims of the two live jobs are left out, because whoever starts these jobs again makes them.
  The other claim is empty.
- `source`: the snapshot of all runs. The scripts use the standard library alone and make the calls
  that the client of that release made. A script that is started again with its old spool goes on
  behind it.

What differs between machines is marked `@NAME@`. The processes of that release cannot be kept: the
live jobs are started again from their old `job.json` by the agent of this release.
"""

import hashlib
import json
import os
import socket
import sqlite3
import tempfile
import time
from pathlib import Path

import psycopg

PARENT = "upgraded_1700000000_0a1b2c3d"
CHILDREN = [f"{PARENT}_child_{k}" for k in range(4)]
REVISION = "0007"
SNAPSHOT = "d5b6a86a26c6e054eb822b6dac6fcf1fcc3c4501a2570b2bac4568329b3957ee"
LEASE_SECONDS = 15.0  # that release's lease, taken just before its service was killed
_FILES = Path(__file__).parent / "data" / f"release_{REVISION}"
_MODE = 0o644  # of the files in the snapshot


def sockets_of(data: Path) -> Path:
    """The folder in which that release kept the sockets of a data folder."""
    key = hashlib.sha256(str(data.resolve()).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"dispatcher-{os.geteuid()}-{key}"


def unpack(data: Path, database_url: str, python: str) -> None:
    """Put the data folder and the database in place.

    Args:
        data: The data folder; it is empty.
        database_url: An empty database of PostgreSQL, or nothing: SQLite's, in the data folder.
        python: The interpreter of the jobs.
    """
    kind = "postgresql" if database_url else "sqlite"
    values = {
        "HOST": socket.gethostname(),
        "DATA": str(data),
        "SOCKETS": str(sockets_of(data)),
        "PYTHON": python,
        "PORT": str(_free_port()),
        "LEASE": repr(time.time() + LEASE_SECONDS),
    }
    for name, text in json.loads((_FILES / f"{kind}_data.json").read_text()).items():
        path = data / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_filled(text, values))
    _write_snapshot(data)
    sockets_of(data).mkdir(mode=0o700)
    statements = _filled((_FILES / f"{kind}.sql").read_text(), values)
    if database_url:
        with psycopg.connect(database_url.replace("+psycopg", "", 1)) as connection:
            connection.execute(statements.encode())
    else:
        sqlite = sqlite3.connect(data / "dispatcher.db")
        sqlite.executescript(statements)
        sqlite.close()


def _filled(text: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return text


def _write_snapshot(data: Path) -> None:
    """Store the files of `source` and their list as blobs, and the files as the node's copy."""
    copy = data / "nodes" / "local" / "snapshots" / SNAPSHOT
    copy.mkdir(parents=True)
    files = []
    for source in sorted((_FILES / "source").glob("*.py")):
        content = source.read_bytes()
        files.append([source.name, _MODE, len(content), _write_blob(data / "blobs", content)])
        (copy / source.name).write_bytes(content)
    manifest = json.dumps({"files": files}, separators=(",", ":")).encode()
    digest = _write_blob(data / "blobs", manifest)
    assert digest == SNAPSHOT, "the sources are not those of the runs"


def _write_blob(blobs: Path, content: bytes) -> str:
    digest = hashlib.sha256(content).hexdigest()
    path = blobs / digest[:2] / digest
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return digest


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
