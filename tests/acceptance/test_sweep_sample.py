"""A small sweep, all whose processes are killed; `make test-all` takes a large one."""

import random
from pathlib import Path

from tests.chaos.effects import Effects
from tests.chaos.sweeping import Sweeping, kill, run_grid
from tests.rigs.service import Service


def test_a_killed_sweep_tries_each_cell_once(tmp_path: Path) -> None:
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    sweeping = run_grid(tmp_path, (3, 8), seconds=0.3, at_once=3)
    try:
        with sweeping.service.kept_alive():
            killed = kill(sweeping, random.Random(seed), 12, (0.2, 0.6))
        outcome = sweeping.outcome()
        assert killed.total() >= 1
        assert outcome.done_once(24), outcome
    finally:
        sweeping.service.close()


def test_a_seed_says_what_is_tried_whatever_is_killed(tmp_path: Path) -> None:
    space = {"lr": ["loguniform", [-6, -1]], "n": ["qnormal", [50, 20, 5]]}
    sampling = {"name": "RANDOM", "parameter_space": space, "properties": {"seed": 7}}
    service = Service(tmp_path)
    try:
        service.start()
        service.attach("local", kind="local", cpus=4)
        calm, wild = (
            Sweeping(service, Effects(tmp_path / name), name) for name in ("calm", "wild")
        )
        calm.submit(sampling, 16, 0, 4)
        expected = calm.outcome().cells
        wild.submit(sampling, 16, 0.2, 2)
        with service.kept_alive():
            kill(wild, random.Random(), 8, (0.1, 0.5))
        assert wild.outcome().cells == expected
        assert sum(expected.values()) == 16
    finally:
        service.close()
