"""A grid of two hundred cells, service and agents killed at random for a minute: each cell once."""

import random
from pathlib import Path

import pytest

from tests.chaos.sweeping import kill, run_grid

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


def test_two_hundred_cells_are_completed_once_each(tmp_path: Path) -> None:
    seed = random.randrange(10**6)
    sweeping = run_grid(tmp_path, (2, 4, 25), seconds=1.0, at_once=3)
    try:
        with sweeping.service.kept_alive():
            services, agents = kill(sweeping, random.Random(seed), 60, (0.1, 1.0))
        outcome = sweeping.outcome(600)
        completed, starts = sum(outcome.completed.values()), max(outcome.starts.values())
        print(
            f"\nseed {seed}: {services} kills of the service, {agents} of agents; "
            f"{outcome.status}: {completed} completed, {len(outcome.completed)} cells, "
            f"at most {starts} start a cell"
        )
        assert outcome.status == "Completed"
        assert outcome.cells == outcome.completed
        assert len(outcome.completed) == completed == 200
        assert set(outcome.ends.values()) == {1} == set(outcome.starts.values())
    finally:
        sweeping.service.close()
