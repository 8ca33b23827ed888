"""A parent whose node loses it again and again while it submits: in the end it has its children,
each once.
"""

import json
import os
import random
import signal
from collections import Counter
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.racing import Track, track
from tests.chaos.scenario import ENDED, SCRIPTS
from tests.rigs.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

CHILDREN = 100
KILLS = 10


def _noted(made: Track, effect: tuple[str, int, str]) -> bool:
    return effect in made.effects.read()


def lose(made: Track, attempt: int) -> None:
    """Kill the attempt's shim and process, as a lost node does."""
    path = made.service.data / "nodes" / "local" / "jobs" / f"parent-{attempt}" / "lock"
    state = json.loads(path.read_text())
    for pid in (state["shim"], *state["pids"]):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def spec_of_parent(made: Track) -> dict[str, Any]:
    return {
        "id": "parent",
        "target": "local",
        "script": "parent_of_many.py",
        "arguments": [CHILDREN],
        "snapshot": made.service.snapshot(SCRIPTS),
        "environment_variables": {"CHAOS_EFFECTS": str(made.effects.path)},
        "max_retries": {"infra": KILLS},
    }


def children_of(made: Track) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    after: list[tuple[str, str]] = []
    while True:
        page = made.service.transport.get("/runs", [("parent", "parent"), *after])
        found += page["runs"]
        if not page.get("next"):
            return found
        after = [("cursor", page["next"])]


def test_a_parent_lost_at_random_points_has_its_children_once(tmp_path: Path) -> None:
    seed = random.randrange(10**6)
    points = random.Random(seed).sample(range(CHILDREN), KILLS)
    with track(tmp_path, room=8) as made:
        made.service.submit(spec_of_parent(made))
        for attempt, point in enumerate(points, 1):
            reached = ("parent", attempt, f"submitted-{point}")
            until(partial(_noted, made, reached), f"{reached}", 60)
            lose(made, attempt)
        until(lambda: made.service.wait(["parent"], 5)["parent"] in ENDED, "it has ended", 120)
        parent, children = made.service.view("parent"), children_of(made)

    starts = made.effects.starts(run["id"] for run in children)
    print(f"\nseed {seed}, killed after {points}: attempt {parent['attempt']}, "
          f"{len(children)} children, {Counter(starts.values())} starts")  # fmt: skip
    assert (parent["status"], parent["attempt"]) == ("Completed", KILLS + 1)
    assert Counter(run["status"] for run in children) == {"Completed": CHILDREN}
    assert starts == {(run["id"], 1): 1 for run in children}
