"""A service killed at random moments of a fan-out: nothing is lost, doubled or told wrongly."""

import random
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from dispatcher.client.run_wait import wait_all
from tests.chaos.effects import Effects
from tests.chaos.fanout import Fanout
from tests.chaos.judging import Tally, header
from tests.rigs.postgres import Postgres
from tests.rigs.service import Service
from tests.rigs.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

ROOM = 24
WAITERS = 3


def kill(service: Service, kills: int, luck: random.Random, over: threading.Event) -> int:
    """Kill the service so often, each time some moments after it has come up; how often it was."""
    for k in range(kills):
        service.wait_healthy()
        if over.wait(luck.uniform(0, 1.5)):
            return k
        before = service.restarts
        service.kill_only()
        until(partial(_restarted, service, before), "it is started again")
    return kills


def _restarted(service: Service, before: int) -> bool:
    return service.restarts > before


def fan_out(folder: Path, url: str, runs: int, kills: int, seed: int) -> Tally:
    print(f"\nseed {seed}")
    service = Service(folder, url)
    try:
        service.start()
        service.attach("local", kind="local", cpus=ROOM)
        fanout = Fanout(service, Effects(folder / "effects"), runs, kills * 2.0 * ROOM / runs)
        with service.kept_alive(), ThreadPoolExecutor(WAITERS + 1) as pool:
            fanout.submit()
            told = [pool.submit(wait_all, fanout.runs(), timeout=1200) for _ in range(WAITERS)]
            over = threading.Event()
            told[0].add_done_callback(lambda _: over.set())
            killed = kill(service, kills, random.Random(seed), over)
            return judged(fanout, told, killed)  # the waiters have returned, or this raises
    finally:
        service.close()


def judged(fanout: Fanout, told: "list[Future[dict[str, str]]]", killed: int) -> Tally:
    tally = Tally(points=fanout.count, killed=killed)
    for waiter in told:
        tally.add(fanout.judge(waiter.result(timeout=1200)), "the end")
    return tally


def show(name: str, tally: Tally) -> None:
    print(f"{header()}\n{tally.row(name)}", *tally.findings[:50], sep="\n")


def test_a_hundred_kills_in_a_fan_out_of_two_thousand(tmp_path: Path) -> None:
    tally = fan_out(tmp_path, "", runs=2000, kills=100, seed=random.randrange(10**6))

    show("local+sqlite", tally)
    assert tally.killed >= 80
    assert tally.clean, tally.findings[:20]


def test_kills_in_a_fan_out_on_postgresql(tmp_path: Path, postgres: Postgres) -> None:
    tally = fan_out(tmp_path, postgres.url(), runs=500, kills=25, seed=random.randrange(10**6))

    show("local+postgresql", tally)
    assert tally.killed >= 20
    assert tally.clean, tally.findings[:20]
