"""A service killed at random moments of a fan-out: nothing is lost, doubled or told wrongly."""

import random
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from dispatcher.client.v1.runs.waiting import wait_all
from tests.chaos.effects import Effects
from tests.chaos.fanout import Fanout
from tests.chaos.judging import Tally, header
from tests.chaos.nursery import NursedService
from tests.rigs.postgres import Postgres
from tests.rigs.service import Service
from tests.rigs.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

# Longer than the service may live between two kills: so no more runs end from one to the next than
# have room at once, and there are some left for the last.
SECONDS = 1.0
UP = 0.5
ROOM = 10
WAITERS = 3
LAST = 0.95  # of the runs have ended at the last kill, at most


def kill(fanout: Fanout, kills: int, luck: random.Random, over: threading.Event) -> int:
    """Kill the service so often, spread over the fan-out; how often it was while that went on.

    A kill is due when so many of the runs have ended, however fast the product is, and comes some
    moments after the service has come up from the one before.
    """
    service = fanout.service
    for k, share in enumerate(sorted(luck.uniform(0, LAST) for _ in range(kills))):
        until(partial(_so_far, fanout, share * fanout.count, over), f"kill {k} is due", 300)
        service.wait_healthy()
        if over.wait(luck.uniform(0, UP)):
            return k
        before = service.restarts
        service.kill_only()
        until(partial(_restarted, service, before), "it is started again")
    return kills


def _so_far(fanout: Fanout, due: float, over: threading.Event) -> bool:
    return over.is_set() or fanout.ended() >= due


def _restarted(service: Service, before: int) -> bool:
    return service.restarts > before


def fan_out(folder: Path, url: str, runs: int, kills: int, seed: int) -> Tally:
    print(f"\nseed {seed}")
    service = NursedService(folder, url)
    try:
        service.start()
        service.attach("local", kind="local", cpus=ROOM)
        fanout = Fanout(service, Effects(folder / "effects"), runs, SECONDS)
        with service.kept_alive(), ThreadPoolExecutor(WAITERS + 1) as pool:
            fanout.submit()
            told = [pool.submit(wait_all, fanout.runs(), timeout=1200) for _ in range(WAITERS)]
            over = threading.Event()
            told[0].add_done_callback(lambda _: over.set())
            killed = kill(fanout, kills, random.Random(seed), over)
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
    assert tally.killed == 100
    assert tally.clean, tally.findings[:20]


def test_a_hundred_kills_in_a_fan_out_on_postgresql(tmp_path: Path, postgres: Postgres) -> None:
    tally = fan_out(tmp_path, postgres.url(), runs=1500, kills=100, seed=random.randrange(10**6))

    show("local+postgresql", tally)
    assert tally.killed == 100
    assert tally.clean, tally.findings[:20]
