"""Small sweeps whose processes are killed; `make test-all` takes large ones."""

import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.chaos.sweeping import VICTIMS, calm_and_wild, kill, run_grid
from tests.rigs.service import Service

DRIVERS = ("service", "service", "agent")  # no trial need notice that they are killed


@pytest.mark.parametrize("victims", [DRIVERS, VICTIMS], ids=["drivers", "all"])
def test_a_killed_sweep_tries_each_cell_once(tmp_path: Path, victims: Sequence[str]) -> None:
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    sweeping = run_grid(tmp_path, (3, 8), seconds=0.3, at_once=3)
    try:
        with sweeping.service.kept_alive():
            killed = kill(sweeping, random.Random(seed), 12, (0.2, 0.6), victims)
        outcome = sweeping.outcome()
        assert killed.total() >= 2
        assert outcome.done_once(24), outcome
        if victims is DRIVERS:
            assert killed["service"] >= 2
            assert {attempt for _, attempt, _ in sweeping.effects.read()} == {1}
            assert outcome.redone == 0
    finally:
        sweeping.service.close()


def test_a_seed_says_what_is_tried_whatever_is_killed(tmp_path: Path) -> None:
    calm, wild = calm_and_wild(Service, tmp_path, count=16, seconds=8, limit=120)
    assert wild.cells == calm.cells
    assert calm.cells.total() == 16
