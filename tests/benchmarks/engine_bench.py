"""What the engine costs while nothing happens, with a hundred thousand runs owed and queued.

The floor is the same engine with an empty store.
"""

import os
import shutil
import tempfile
import time
from pathlib import Path

from dispatcher.store.sql import SqlStore
from tests.benchmarks.measuring import say
from tests.unit.installation import Installation, fakes

OWED = int(os.environ.get("OWED", "20000"))
QUEUED = int(os.environ.get("QUEUED", "80000"))
BATCH = 5_000
WATCHED = 30.0  # seconds


def share(folder: Path, owed: int, queued: int) -> float:
    """The share of a core that the engine takes while all runs stand still."""
    store = SqlStore(f"sqlite:///{folder}/x.db")
    installation = Installation(store, fakes(cpus=max(1, owed)), str(folder), time.time).start()
    target = installation.kinds.targets["t"]
    installation.until(lambda: installation.targets.capacity("t") is not None)
    for start in range(0, owed + queued, BATCH):
        count = min(BATCH, owed + queued - start)
        installation.submit(*[f"r{start + k}" for k in range(count)])
    installation.until(lambda: len(target.launches) >= owed, seconds=1200)
    time.sleep(10)
    used, began = time.process_time(), time.monotonic()
    time.sleep(WATCHED)
    share = (time.process_time() - used) / (time.monotonic() - began)
    installation.stop()
    store.close()
    return share


def main() -> None:
    for owed, queued, goal in ((0, 0, ""), (OWED, QUEUED, "goal ≤ 5 % of a core")):
        folder = Path(tempfile.mkdtemp(prefix="bench-", dir=os.environ.get("BENCH_DIR")))
        taken = share(folder, owed, queued)
        say(f"engine at rest, {owed} runs owed, {queued} queued", f"{taken:.1%} of a core", goal)
        shutil.rmtree(folder, ignore_errors=True)
