"""A database that is locked, full or restarted again and again: what was acknowledged is kept, no
answer but 503 and 507 above 499, jobs go on, and the service recovers by itself.
"""

import random
import sqlite3
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest

from dispatcher.client.api.connection import ApiConnection
from dispatcher.client.errors import ServerUnreachable, ServiceException
from dispatcher.client.v1.runs.waiting import wait_all
from tests.chaos.effects import Effects
from tests.chaos.fanout import Fanout
from tests.chaos.injection import NAMED, tracing
from tests.chaos.judging import Tally, header
from tests.chaos.racing import Track
from tests.chaos.scenario import ENDED
from tests.rigs.postgres import Postgres
from tests.rigs.service import Service
from tests.rigs.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

LOCKED = 20.0
_CUT = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
    "AND pid <> pg_backend_pid() ORDER BY random() LIMIT 1"
)
FULL = 3.0


class Visitor:
    """A client that submits run after run without repeating a call, and keeps the answers."""

    def __init__(self, made: Track, name: str) -> None:
        self.made, self.name = made, name
        self.answers: Counter[str] = Counter()
        self.seconds: list[float] = []
        self.acknowledged: list[str] = []

    def submit_until(self, over: threading.Event) -> None:
        once = self.made.service.client(patience=0)
        while not over.wait(0.1):
            run_id = f"{self.name}{sum(self.answers.values())}"
            at = time.monotonic()
            answer = self._submit(once, run_id)
            self.seconds.append(time.monotonic() - at)
            self.answers[answer] += 1
            if answer == "201":
                self.acknowledged.append(run_id)

    def _submit(self, once: ApiConnection, run_id: str) -> str:
        spec = {"experiment": "chaos", **self.made.spec(run_id, "note end")}
        try:
            once.post("/runs", {"runs": [spec]})
        except ServiceException as error:
            return str(error.status_code)
        except ServerUnreachable as error:  # the client's word for 503, and for no answer
            return "503" if "status 503" in str(error) else f"no answer: {error}"
        return "201"


@contextmanager
def installation(folder: Path) -> Iterator[Track]:
    service = Service(folder, patches=NAMED)
    try:
        service.start()
        service.attach("local", kind="local", cpus=16)
        made = Track(service, Effects(folder / "effects"), folder)
        service.submit(made.spec("steady", "sleep 1; note middle; sleep 25; note end"))
        until(lambda: made.effects.has("steady", "start"), "one runs")
        yield made
    finally:
        service.close()


def visited(made: Track, trouble: Callable[[], None], what: str) -> list[Visitor]:
    """Some clients submit before, during and after the trouble; all that they were told."""
    visitors = [Visitor(made, f"v{k}-") for k in range(4)]
    over = threading.Event()
    with ThreadPoolExecutor(len(visitors)) as pool:
        done = [pool.submit(visitor.submit_until, over) for visitor in visitors]
        try:
            until(lambda: all(v.acknowledged for v in visitors), "all were answered once")
            trouble()
            before = len(visitors[0].acknowledged)
            until(lambda: len(visitors[0].acknowledged) > before + 2, "it has recovered", 60)
        finally:
            over.set()
        for visitor in done:
            visitor.result()
    seconds = [s for visitor in visitors for s in visitor.seconds]
    answers = sum((visitor.answers for visitor in visitors), Counter[str]())
    print(f"\n{what}: {dict(answers)}, p50 {statistics.median(seconds):.3f} s, "
          f"max {max(seconds):.1f} s")  # fmt: skip
    assert set(answers) <= {"201", "503", "507"}
    return visitors


def check_kept(made: Track, visitors: list[Visitor]) -> None:
    """What was acknowledged has run once; the job that was there has not noticed anything."""
    ids = [run_id for visitor in visitors for run_id in visitor.acknowledged]
    until(lambda: set(made.service.wait([*ids, "steady"], 10).values()) <= ENDED, "all end", 90)
    assert Counter(made.service.wait(ids, 0).values()) == {"Completed": len(ids)}
    assert made.effects.starts([*ids, "steady"]) == {(run, 1): 1 for run in (*ids, "steady")}
    assert made.service.view("steady")["status"] == "Completed"


def test_a_database_that_is_locked_for_long_costs_time_and_nothing_else(tmp_path: Path) -> None:
    def lock() -> None:
        path = made.service.data / "dispatcher.db"
        with closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            time.sleep(LOCKED)  # the length of the fault itself
            other.execute("ROLLBACK")

    with installation(tmp_path) as made:
        visitors = visited(made, lock, f"locked for {LOCKED:g} s")
        check_kept(made, visitors)


def test_a_full_disk_is_refused_and_left_behind(tmp_path: Path) -> None:
    def fill() -> None:
        with tracing(made.service.pid, "store-writer", "inject=pwrite64:error=ENOSPC"):
            time.sleep(FULL)  # the length of the fault itself

    with installation(tmp_path) as made:
        visitors = visited(made, fill, f"no space for {FULL:g} s")
        assert sum(visitor.answers["507"] for visitor in visitors) > 0
        check_kept(made, visitors)


def test_a_postgresql_that_crashes_again_and_again_loses_nothing(
    tmp_path: Path, postgres: Postgres
) -> None:
    service = Service(tmp_path, postgres.url())
    try:
        service.start()
        service.attach("local", kind="local", cpus=8)
        fanout = Fanout(service, Effects(tmp_path / "effects"), 200, 1.0)
        with ThreadPoolExecutor(1) as pool:
            fanout.submit(at_once=20)
            told = pool.submit(wait_all, fanout.runs(), timeout=600)
            crashes = crash_until(postgres, told.done)
            tally = Tally(points=200, killed=crashes)
            tally.add(fanout.judge(told.result(600)), "the end")
    finally:
        service.close()

    print(f"\n{header()}\n{tally.row('postgresql crashes')}", *tally.findings[:20], sep="\n")
    assert crashes >= 4
    assert tally.clean


def test_connections_that_are_cut_at_random_lose_nothing(
    tmp_path: Path, postgres: Postgres
) -> None:
    url = postgres.url()
    service = Service(tmp_path, url)
    try:
        service.start()
        service.attach("local", kind="local", cpus=8)
        fanout = Fanout(service, Effects(tmp_path / "effects"), 200, 0.5)
        with ThreadPoolExecutor(1) as pool:
            fanout.submit(at_once=20)
            told = pool.submit(wait_all, fanout.runs(), timeout=600)
            cut = cut_until(url, told.done)
            tally = Tally(points=200, killed=cut)
            tally.add(fanout.judge(told.result(600)), "the end")
    finally:
        service.close()

    print(f"\n{header()}\n{tally.row('connections cut')}", *tally.findings[:20], sep="\n")
    assert cut >= 20
    assert tally.clean


def cut_until(url: str, over: Callable[[], bool]) -> int:
    """End one of the database's connections, whatever it does, again and again; how many."""
    luck, cut = random.Random(7), 0
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as own:
        while not over():
            time.sleep(luck.uniform(0.02, 0.3))  # the random moment
            found = own.execute(_CUT).fetchall()
            cut += len(found)
    return cut


def crash_until(postgres: Postgres, over: Callable[[], bool]) -> int:
    """Kill the server with all its processes every few seconds; how often it was."""
    crashes = 0
    while not over():
        time.sleep(3)  # the period of the fault
        postgres.crash()
        postgres.start()
        crashes += 1
    return crashes
