"""Ten thousand trials in one sweep: a trial takes as long at the end as at the start."""

import time
from pathlib import Path

import pytest

from tests.chaos.effects import Effects
from tests.chaos.sweeping import Sweeping
from tests.rigs.service import Service

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

TRIALS = 10_000
PARTS = 5
GROWTH = 32  # MB of the service's memory, after its caches have filled in the first two fifths
PAGE_SECONDS = 2.0


def test_ten_thousand_trials_keep_their_pace(tmp_path: Path) -> None:
    service = Service(tmp_path)
    try:
        service.start()
        service.attach("local", kind="local", cpus=16)
        sweeping = Sweeping(service, Effects(tmp_path / "effects"), "HD_large")
        space = {"a": ["uniform", [0, 1]], "b": ["choice", [[1, 2, 3]]]}
        trial = {"id": "HD_large_0", "experiment": "chaos", "command": "true"}
        service.transport.post(
            "/sweeps",
            {
                "id": "HD_large",
                "experiment": "chaos",
                "trial": trial,
                "sampling": {"name": "RANDOM", "parameter_space": space},
                "primary_metric": {"name": "m", "goal": "maximize"},
                "max_total_runs": TRIALS,
                "max_concurrent_runs": 8,
            },
        )
        took, used = [], []
        for k in range(PARTS):
            took.append(pace(service, (k + 1) * TRIALS // PARTS))
            used.append(memory(service.pid))
        begun = time.monotonic()
        query = [("after", TRIALS // 2), ("limit", 100)]
        rows = service.transport.get("/sweeps/HD_large/trials", query)["trials"]
        page = time.monotonic() - begun
        first, ranking = (seconds(service, query) for query in ([("top", 10)], []))
        print(f"\nthe best ten {first:.2f} s, all in order {ranking:.2f} s")
        print(f"seconds for each fifth {took}, {used} MB, a page {page:.3f} s")
        assert [row["number"] for row in rows] == list(range(TRIALS // 2 + 1, TRIALS // 2 + 101))
        assert page < PAGE_SECONDS
        assert used[-1] - used[1] < GROWTH
        assert max(took[1:]) < 2 * min(took)
        numbers = [row["number"] for row in sweeping.trials()]
        assert numbers == list(range(TRIALS))
    finally:
        service.close()


def seconds(service: Service, query: list[tuple[str, int]]) -> float:
    """How long the sweep's ranking takes."""
    begun = time.monotonic()
    service.transport.get("/sweeps/HD_large/ranking", query)
    return time.monotonic() - begun


def pace(service: Service, ended: int) -> float:
    """Seconds until so many have ended."""
    begun = time.monotonic()
    while True:
        view = service.view("HD_large")
        if view["children"]["total"] - view["children"]["open"] >= ended:
            return round(time.monotonic() - begun, 1)
        time.sleep(0.2)


def memory(pid: int) -> int:
    """MB that a process holds."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    told = next(line for line in lines if line.startswith("VmRSS"))
    return int(told.split()[1]) // 1024
