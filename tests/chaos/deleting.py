"""Deletion and garbage collection of a service that is killed at any call that leaves it, while
runs are submitted and files are uploaded; what is left on the disk is compared with what is used.
"""

import json
import os
import random
import sqlite3
import tarfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from http.client import HTTPException
from io import BytesIO
from pathlib import Path

from dispatcher.client.api import retention
from dispatcher.client.api.artifacts import RunArtifacts
from dispatcher.client.api.connection import ApiConnection
from dispatcher.client.api.snapshots.snapshot import Snapshots
from dispatcher.client.errors import AzureMLException, ServiceException
from dispatcher.store.content.blobs import Logs
from tests.chaos.injection import NAMED, Point, counting, killing
from tests.chaos.nursery import NursedService
from tests.rigs.service import Service

GRACE = 3_600  # seconds: what the collections of a sweep leave alone
LITTER = 12  # snapshots that no run has; the load begins to use one after the other
OLD = 2 * 86_400.0  # seconds: how old everything is made before a collection
REFUSED = (AzureMLException, ServiceException)
# Those that answer calls, and the one that commits.
THREADS = ("AnyIO", "asyncio", "store-writer")
PURGED = ("points", "latest", "params", "records", "tags", "streams", "events")
Findings = list[tuple[str, str]]


@dataclass
class Life:
    """The runs of one point; `name` makes their ids and contents unique."""

    service: Service
    folder: Path
    name: str
    files: dict[str, bytes] = field(default_factory=dict)  # of each run, the content of its file
    snapshots: dict[str, str] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)

    def prepare(self) -> None:
        """Runs that stay, runs that are to go, and contents without a run; all of them old."""
        self._run(self.service.transport, "keep", "keep")
        self._run(self.service.transport, "gone", "gone")
        self._run(self.service.transport, "child", "waste", parent_id=self.id("gone"))
        self._run(self.service.transport, "made", "made")
        model = {"name": f"model-{self.name}", "path": "outputs/f"}
        self.service.transport.post(f"/runs/{self.id('made')}/models", model)
        for role in ("keep", "child", "gone", "made"):
            self.service.transport.post(f"/runs/{self.id(role)}/events", {"type": "complete"})
        for k in range(LITTER):
            self._snapshot(self.service.transport, f"litter{k}")
        make_old(self.service)

    def id(self, role: str) -> str:
        return f"{self.name}-{role}"

    def act(self) -> None:
        """Delete and collect, while others submit runs from snapshots that nothing refers to."""
        over = threading.Event()
        load = threading.Thread(target=self._load, args=(over,), name="load")
        load.start()
        try:
            for role in ("gone", "made"):
                self._delete(self.id(role))
            for _ in range(2):
                retention.collect(self.service.transport, changes={"contents_grace": GRACE})
        finally:
            over.set()
            load.join()

    def _delete(self, run_id: str) -> None:
        try:
            self.service.transport.delete(f"/runs/{run_id}")
        except ServiceException as error:  # it was deleted, and the answer was lost
            if error.status_code != 404:
                raise
        self.deleted.add(run_id)

    def _load(self, over: threading.Event) -> None:
        client, k = self.service.client(), 0
        while not over.is_set() or k < 2:
            self._run(client, f"load{k}", f"litter{k % LITTER}")
            k += 1

    def _run(self, client: ApiConnection, role: str, source: str, **fields: str) -> None:
        """A run with a snapshot of that source, a file, a log and a metric."""
        run_id = self.id(role)
        content = f"{self.name} {source} file".encode()
        while True:
            snapshot = self._snapshot(client, source)
            spec = {"id": run_id, "experiment": "chaos", "interactive": True, **fields}
            try:
                client.post("/runs", {"runs": [{**spec, "snapshot": snapshot}], "brief": True})
                break
            except ServiceException as error:  # a collection was quicker: announce it again
                if error.status_code != 404 or "snapshot" not in error.message:
                    raise
                client.held_snapshots.clear()
        self.snapshots[run_id] = snapshot
        path = self.folder / f"{self.name}-{source}.file"
        path.write_bytes(content)
        RunArtifacts(client, run_id).upload([("outputs/f", str(path))])
        self.files[run_id] = content
        header = {"run": run_id, "attempt": 1, "stream": "log:a.txt", "offset": 0, "size": 4}
        client.post_frames("/spool", json.dumps(header).encode() + b"\ntext")
        line = json.dumps({"n": "m", "k": "scalar", "v": 1, "t": 1.0}).encode() + b"\n"
        header = {**header, "stream": "metrics", "size": len(line)}
        client.post_frames("/spool", json.dumps(header).encode() + b"\n" + line)

    def _snapshot(self, client: ApiConnection, source: str) -> str:
        folder = self.folder / f"{self.name}-{source}"
        folder.mkdir(exist_ok=True)
        for name in ("a", "b"):
            (folder / name).write_text(f"{self.name} {source} {name}")
        cache = self.folder / "cache"
        cache.mkdir(exist_ok=True)
        return Snapshots(client, str(cache)).take(str(folder))

    def judge(self) -> Iterator[tuple[str, str]]:
        """What is not as it was told: something in use is lost, something deleted is there."""
        for run_id, content in self.files.items():
            if run_id in self.deleted or run_id == self.id("child"):
                yield from self._judge_deleted(run_id)
            else:
                yield from self._judge_kept(run_id, content)
        with suppress(ServiceException):
            if self._file(self.id("made")) == self.files[self.id("made")]:
                return
        yield "lost", f"the file of the model of {self.id('made')}"

    def _judge_deleted(self, run_id: str) -> Iterator[tuple[str, str]]:
        try:
            self.service.view(run_id)
            yield "undone", f"{run_id} is there, and was deleted"
        except ServiceException as error:
            if error.status_code != 404 or "was deleted" not in error.message:
                yield "wrong", f"{run_id}: {error.message}"

    def _judge_kept(self, run_id: str, content: bytes) -> Iterator[tuple[str, str]]:
        try:
            snapshot = self.snapshots[run_id]
            self.service.view(run_id)
            with self.service.transport.stream(f"/snapshots/{snapshot}/archive") as response:
                archive = response.read()
            with tarfile.open(fileobj=BytesIO(archive)) as unpacked:
                if sorted(unpacked.getnames()) != ["a", "b"]:
                    yield "lost", f"{run_id}: its snapshot holds {unpacked.getnames()}"
            if self._file(run_id) != content:
                yield "lost", f"{run_id}: its file has another content"
            log = self.service.transport.send("GET", f"/runs/{run_id}/logs/a.txt").body
            if log != b"text":
                yield "lost", f"{run_id}: its log is {log!r}"
        except (*REFUSED, HTTPException, OSError, tarfile.TarError) as error:
            yield "lost", f"{run_id}: {error}"

    def _file(self, run_id: str) -> bytes:
        return self.service.transport.send("GET", f"/runs/{run_id}/artifacts/outputs/f").body


def make_old(service: Service) -> None:
    """Everything that is stored was used last two days ago, and every second purge is due."""
    then = time.time() - OLD
    for place in ("blobs", "logs", "uploads"):
        for path in (service.data / place).rglob("*"):
            with suppress(FileNotFoundError):
                os.utime(path, (then, then))
    with closing(sqlite3.connect(service.data / "dispatcher.db", timeout=30)) as database:
        database.execute("UPDATE deleted_runs SET purge_due = 0 WHERE purge_due IS NOT NULL")
        database.commit()


def leftovers(service: Service) -> Iterator[tuple[str, str]]:
    """After a collection of everything that is not in use: what is left although nothing uses it,
    and what is used and is not there.
    """
    make_old(service)
    retention.collect(service.transport, changes={"contents_grace": GRACE})
    with closing(sqlite3.connect(service.data / "dispatcher.db", timeout=30)) as database:
        used = _used_contents(service, database)
        logs = {
            Logs.key(run_id, attempt, stream.removeprefix("log:"))
            for run_id, attempt, stream in database.execute(
                "SELECT run_id, attempt, stream FROM streams WHERE stream LIKE 'log:%'"
            )
        }
        for table in PURGED:
            query = f"SELECT DISTINCT run_id FROM {table} WHERE run_id NOT IN (SELECT id FROM runs)"
            for (run_id,) in database.execute(query):
                yield "left", f"rows of {run_id} in {table}"
    for place, wanted in (("blobs", used), ("logs", logs)):
        stored = {path.name for path in (service.data / place).rglob("*") if path.is_file()}
        yield from (("left", f"{place}: {name}") for name in stored - wanted)
        yield from (("lost", f"{place}: {name}") for name in wanted - stored)
    for path in (service.data / "uploads").iterdir():
        yield "left", f"uploads: {path.name}"


def _used_contents(service: Service, database: sqlite3.Connection) -> set[str]:
    used = {row[0] for row in database.execute("SELECT sha256 FROM artifacts")}
    for (snapshot,) in database.execute("SELECT DISTINCT snapshot FROM runs WHERE snapshot <> ''"):
        used.add(snapshot)
        with suppress(FileNotFoundError):
            manifest = json.loads((service.data / "blobs" / snapshot[:2] / snapshot).read_text())
            used |= {entry[3] for entry in manifest["files"]}
    return used


def count_points(service: Service, folder: Path) -> Counter[Point]:
    """The calls of one deletion and its collections."""
    found: Counter[Point] = Counter()
    life = Life(service, folder, "count")
    life.prepare()
    with counting(service.pid, folder, "serve", found):
        life.act()
    return found


def sweep(folder: Path, wanted: int | None, patches: Path = NAMED) -> tuple[int, Findings]:
    """Kill the service at each point, or at so many of them.

    Returns:
        How often it was killed, and all that was found wrong.
    """
    service = (NursedService if patches == NAMED else Service)(folder / "service", patches=patches)
    scratch = folder / "scratch"
    scratch.mkdir()
    findings: Findings = []
    killed = 0
    try:
        service.start()
        points = _points(count_points(service, scratch), wanted)
        for k, point in enumerate(points):
            life = Life(service, scratch, f"p{k}")
            life.prepare()
            before = service.restarts
            with service.kept_alive(), killing(service.pid, point):
                life.act()
            killed += service.restarts > before
            found = [*life.judge(), *leftovers(service), *life.judge()]
            findings += [(word, f"{point}: {text}") for word, text in found]
            with (folder / "progress").open("a") as progress:
                progress.write(f"{point} {service.restarts > before} {found}\n")
    finally:
        service.close()
    return killed, findings


def _points(found: Counter[Point], wanted: int | None) -> Sequence[Point]:
    """All points, of the pages of SQLite's own log every twelfth; mixed, and always the same."""
    points = [
        Point(point.phase, point.thread, point.call, n)
        for point, count in sorted(found.items(), key=str)
        if point.thread.startswith(THREADS)
        for n in range(1, count + 1, 12 if point.call in ("pwrite64", "sendto", "write") else 1)
    ]
    random.Random(0).shuffle(points)
    return points if wanted is None else points[:wanted]
