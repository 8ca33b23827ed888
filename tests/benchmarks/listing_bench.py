"""Finding runs: tag filters over 100,000 runs, and the metrics of 300 children, beside bare SQL.

The floor of a listing is its query on the service's own database, as one would write it. The
floor of metrics is reading the same points from it.
"""

import contextlib
import json
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dispatcher.client.v1.runs.run_types import run_of
from dispatcher.wire import encoding
from tests.benchmarks.measuring import Bench, bench, median, percentile, say

RUNS, AT_ONCE = 100_000, 10_000
CHILDREN, POINTS = 300, 20
PAGE = 100
RARE = 1_000  # one run in so many has the rare tag


def fill(made: Bench) -> None:
    """Runs with tags: one that half of them have, one that is rare, one of its own."""
    for start in range(0, RUNS, AT_ONCE):
        specs = [
            {
                "id": f"listed-{k}",
                "experiment": "listed",
                "interactive": True,
                "tags": {"half": str(k % 2), "rare": str(k % RARE), "own": str(k)},
                "properties": {"author": f"user{k % 10}"},
            }
            for k in range(start, start + AT_ONCE)
        ]
        made.workspace.service.post("/runs", {"runs": specs, "brief": True})


def bare(database: Path, pairs: dict[str, str]) -> Callable[[], float]:
    """The query alone."""
    having = " ".join(
        "AND id IN (SELECT run_id FROM tags WHERE key=? AND substr(value, 1, 200)=?)" for _ in pairs
    )
    statement = (
        f"SELECT * FROM runs WHERE experiment='listed' {having} "
        "ORDER BY begun_at DESC, seq DESC LIMIT ?"
    )
    values = [word for pair in pairs.items() for word in pair]

    def once() -> float:
        with contextlib.closing(sqlite3.connect(database)) as connection:
            connection.execute("SELECT 1 FROM runs LIMIT 1").fetchall()
            started = time.perf_counter()
            connection.execute(statement, (*values, PAGE)).fetchall()
            return time.perf_counter() - started

    return once


def listed(made: Bench, pairs: dict[str, str]) -> list[float]:
    """Milliseconds at the service, as it says itself or as its answer takes here."""
    query: list[Any] = [("experiment", "listed"), ("limit", PAGE)]
    query += [("tag", f"{key}={value}") for key, value in pairs.items()]
    took = []
    for _ in range(40):
        started = time.perf_counter()
        made.workspace.service.send("GET", "/runs", query)
        took.append(time.perf_counter() - started)
    return took


def listings(made: Bench) -> None:
    database = made.root / "ws" / ".dispatcher" / "dispatcher.db"
    for what, pairs in (
        ("a tag that one in 1000 has", {"rare": "7"}),
        ("a tag that half have", {"half": "1"}),
        ("both, and they agree", {"half": "1", "rare": "7"}),
        ("a tag that one run has", {"own": "777"}),
        ("a value that none has", {"half": "none"}),
    ):
        took = listed(made, pairs)
        floor = median(bare(database, pairs), 9)
        typical, slow = percentile(took, 0.5), percentile(took, 0.95)
        say(
            f"{PAGE} of {RUNS} runs by {what}",
            f"{typical * 1e3:.1f} ms, p95 {slow * 1e3:.1f} ({typical / floor:.1f} x SQL)",
            "goal ≤ 25 ms",
        )


def by_fields(made: Bench) -> None:
    """Lists by what most runs have, by what few have, and by what none has."""
    for start in range(RUNS, 2 * RUNS, AT_ONCE):
        specs = [
            {
                "id": f"typed-{k}",
                "experiment": f"typed{k % 20}",
                "interactive": True,
                "target": "gpu" if k % 1_000 == 0 else "cpu",
                **({"type": "hyperdrive"} if k % 2_000 == 0 else {}),
            }
            for k in range(start, start + AT_ONCE)
        ]
        made.workspace.service.post("/runs", {"runs": specs, "brief": True})
    for filters in (
        {"status": "Running"},
        {"status": "Failed"},
        {"target": "gpu"},
        {"type": "hyperdrive"},
        {"target": "cpu", "type": "hyperdrive"},
        {"experiment": "typed3", "status": "Failed"},
    ):
        query: list[Any] = [*filters.items(), ("limit", PAGE)]
        took = []
        for _ in range(20):
            started = time.perf_counter()
            made.workspace.service.send("GET", "/runs", query)
            took.append(time.perf_counter() - started)
        what = " and ".join(f"{name}={value}" for name, value in filters.items())
        typical, slow = percentile(took, 0.5), percentile(took, 0.95)
        value = f"{typical * 1e3:.1f} ms, p95 {slow * 1e3:.1f}"
        say(f"{PAGE} of {2 * RUNS} runs by {what}", value, "goal ≤ 25 ms")


def metrics(made: Bench) -> None:
    """`get_metrics(recursive=True)` of a parent with 300 children, 20 points each."""
    parent = made.experiment.start_logging(snapshot_directory=None, outputs=False)
    children = [c for _ in range(CHILDREN // 100) for c in parent.create_children(count=100)]
    lines = b"".join(
        encoding.dumps({"n": f"m{k % 5}", "k": "scalar", "v": k / 7, "t": 1.0 * k}) + b"\n"
        for k in range(POINTS)
    )
    header = {"attempt": 1, "stream": "metrics", "offset": 0}
    body = encoding.frames([({**header, "run": child.id}, lines) for child in children])
    made.workspace.service.post_frames("/spool", body)
    database = made.root / "ws" / ".dispatcher" / "dispatcher.db"

    def read() -> float:
        fresh = run_of(made.experiment, made.workspace.service.get(f"/runs/{parent.id}"))
        started = time.perf_counter()
        found = fresh.get_metrics(recursive=True)
        took = time.perf_counter() - started
        assert len(found) == CHILDREN
        assert all(len(values) == 5 for values in found.values())
        return took

    def floor() -> float:
        with contextlib.closing(sqlite3.connect(database)) as connection:
            started = time.perf_counter()
            rows = connection.execute(
                "SELECT p.run_id, p.name, p.value FROM points p JOIN runs r ON r.id = p.run_id "
                "WHERE r.parent_id = ? ORDER BY p.id",
                (parent.id,),
            ).fetchall()
            assert len([json.loads(row[2]) for row in rows]) == CHILDREN * POINTS
            return time.perf_counter() - started

    took, least = median(read, 9), median(floor, 9)
    what = f"get_metrics(recursive=True) over {CHILDREN} children, {POINTS} points each"
    say(what, f"{took * 1e3:.0f} ms ({took / least:.1f} x SQL)", "goal ≤ 1000 ms")


def main() -> None:
    with bench() as made:
        started = time.perf_counter()
        fill(made)
        say(
            f"{RUNS} interactive runs made, {AT_ONCE} a call",
            f"{time.perf_counter() - started:.0f} s",
        )
        listings(made)
        by_fields(made)
        metrics(made)


if __name__ == "__main__":
    main()
