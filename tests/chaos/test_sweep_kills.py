"""A grid of two hundred cells, whatever carries it out killed for a minute: each cell once.

The service, its node agent, the agent's fork servers, the shims and the trials' own processes are
the victims. A trial that was killed is tried again by its run's retries, and stays one trial.
"""

import random
from pathlib import Path

import pytest

from tests.chaos.injection import PATCHES
from tests.chaos.nursery import NursedService
from tests.chaos.sweeping import VICTIMS, calm_and_wild, kill, run_grid

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

KILLS = 60
AT_ONCE = 3


def test_two_hundred_cells_are_completed_once_each(tmp_path: Path) -> None:
    seed = random.randrange(10**6)
    sweeping = run_grid(tmp_path, (2, 4, 25), seconds=0.8, at_once=AT_ONCE)
    try:
        with sweeping.service.kept_alive():
            killed = kill(sweeping, random.Random(seed), 60, (0.0, 0.5))
        outcome = sweeping.outcome(600)
        print(
            f"\nseed {seed}: killed {dict(killed)}, {killed.total()} in all; {outcome.status}: "
            f"{outcome.completed.total()} completed, {len(outcome.completed)} cells, "
            f"{len(outcome.doubled)} started twice, {outcome.redone} done again for a lost end"
        )
        assert killed.total() >= KILLS
        assert set(killed) == set(VICTIMS)
        assert outcome.done_once(200), outcome
        assert outcome.at_once <= AT_ONCE
    finally:
        sweeping.service.close()


def test_a_driver_that_forgets_is_found(tmp_path: Path) -> None:
    """A planted fault: a service that starts does not count the trials that are open."""
    sweeping = run_grid(tmp_path, (3, 8), 0.3, at_once=3, patches=PATCHES / "forgetting")
    try:
        with sweeping.service.kept_alive():
            kill(sweeping, random.Random(0), 20, (0.2, 0.8), ("service",))
        outcome = sweeping.outcome()
        assert not outcome.done_once(24), outcome
        assert max(outcome.cells.values()) > 1
    finally:
        sweeping.service.close()


def test_a_seed_says_what_is_tried_whatever_is_killed(tmp_path: Path) -> None:
    calm, wild = calm_and_wild(NursedService, tmp_path, count=100, seconds=60, limit=600)
    assert wild.cells == wild.completed == calm.cells
    assert calm.cells.total() == 100
