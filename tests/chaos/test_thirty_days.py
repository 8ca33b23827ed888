"""Thirty days of use stay within the bytes that the rules name."""

import os
from pathlib import Path

import pytest

from dispatcher.core.runs.lifecycle import Completed, Run, first, step
from dispatcher.core.runs.spec import RunSpec
from dispatcher.services.collection.collected import Collected
from dispatcher.services.collection.contents import ContentCollector
from dispatcher.services.usage import UsageService
from dispatcher.store.artifacts.contract import Artifact
from dispatcher.store.contract import Transaction
from dispatcher.store.metrics.contract import Point
from dispatcher.store.runs.contract import Change
from tests.rigs.collection import Rig, digest, rig

pytestmark = pytest.mark.timeout(2 * 3600)
FILES = 50  # distinct files a day at most; runs have them by turns, as they have equal outputs
BATCH = 1_000
WAL = 9 << 20  # bytes of SQLite's log, which has more or fewer at any moment


def live_a_day(made: Rig, day: int, runs: int, size: int) -> None:
    """Runs that are submitted, log a metric, leave a file and end."""
    snapshot = made.take_snapshot(os.urandom(size), b"always the same")
    contents = [os.urandom(size) for _ in range(_files(runs))]
    for content in contents:
        made.snapshots.put(digest(content), content)
    ids = [f"d{day}-{k}" for k in range(runs)]
    for start in range(0, runs, BATCH):
        some = [_spec(run_id, snapshot) for run_id in ids[start : start + BATCH]]
        now = made.clock()

        def work(tx: Transaction, some: list[Run] = some, now: float = now) -> None:
            stored = tx.runs.add(some)
            tx.metrics.add_points([Point(r.id, 1, "loss", "scalar", 0.5, now) for r in stored])
            files = [contents[run.number % len(contents)] for run in stored]
            tx.artifacts.add(
                [
                    Artifact(run.id, "outputs/model", digest(file), size, now)
                    for run, file in zip(stored, files, strict=True)
                ]
            )
            end = Completed(now)
            tx.runs.save([Change(run, step(run, end), (end,), now) for run in stored])

        made.store.write(work)
    for run_id in ids[: _files(runs)]:
        made.put_log(run_id, os.urandom(size))


def _files(runs: int) -> int:
    """How many distinct files, and how many logs, so many runs write."""
    return min(FILES, runs // 20)


def _spec(run_id: str, snapshot: str) -> Run:
    spec = RunSpec(id=run_id, experiment="daily", interactive=True, snapshot=snapshot)
    return first(spec, now=1.0, parent=None)


def use(made: Rig, *, days: int, runs: int, size: int) -> list[dict[str, int]]:
    """Use it for so many days, with a collection after each; what was on the disk after each."""
    made.collection.change_rules(
        {
            "runs_age": "7d",
            "runs_bytes": 3 * runs * size,
            "contents_grace": "1d",
            "deletions_age": "3d",
        }
    )
    usage = UsageService(made.store, made.folder, made.folder / "blobs")
    measured = []
    for day in range(days):
        live_a_day(made, day, runs, size)
        made.pass_days(1)
        made.collection.collect(made.collection.rules())
        assert made.store.read(lambda tx: tx.references.total_size()) <= 3 * runs * size
        measured.append({each.kind: each.bytes for each in usage.read(0).kinds})
    return measured


def judge(measured: list[dict[str, int]], runs: int, size: int) -> None:
    """From the fifth day on the disk takes no more, whatever the number of days."""
    # Three days by the rule, one of grace, one that is lived; each file takes whole blocks.
    most = 5 * (_files(runs) + 3) * (size + 4096)
    assert max(day["contents"] for day in measured) <= most
    assert max(day["logs"] for day in measured) <= most
    filled = max(day["database"] for day in measured[:8])
    assert max(day["database"] for day in measured[8:]) <= 1.3 * filled + WAL


def test_days_of_use_stay_within_the_configured_bytes(tmp_path: Path) -> None:
    with rig(tmp_path) as made:
        measured = use(made, days=14, runs=60, size=20_000)
    judge(measured, 60, 20_000)


def test_without_rules_the_disk_fills(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The measurement finds it when nothing is deleted."""
    monkeypatch.setattr(ContentCollector, "collect", lambda *_args, **_named: Collected())
    with rig(tmp_path) as made:
        measured = use(made, days=12, runs=60, size=20_000)
    with pytest.raises(AssertionError):
        judge(measured, 60, 20_000)


@pytest.mark.slow
def test_thirty_days_of_ten_thousand_runs_stay_within_the_configured_bytes(tmp_path: Path) -> None:
    with rig(tmp_path) as made:
        measured = use(made, days=30, runs=10_000, size=100_000)
    for day, kinds in enumerate(measured):
        print(day, {kind: f"{size / 1e6:.1f} MB" for kind, size in kinds.items()})
    judge(measured, 10_000, 100_000)
