"""A thousand cancels against completions, children against cancels, and a tree that is canceled."""

import random
from pathlib import Path

import pytest

from tests.chaos.racing import cancel_races, cancel_tree, child_races, track

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


def test_a_cancel_that_races_a_completion_has_one_outcome(tmp_path: Path) -> None:
    seed = random.randrange(10**6)
    with track(tmp_path) as made:
        found = cancel_races(made, count=1000, abreast=8, seed=seed)

    print(f"\nseed {seed}: {dict(found)}")
    assert found["Completed"] + found["Canceled"] == 1000
    assert min(found["Completed"], found["Canceled"]) > 50
    assert (found["disagreement"], found["flip"], found["wrong"]) == (0, 0, 0)


def test_a_child_submitted_during_the_cancel_of_its_parent_does_not_go_on(tmp_path: Path) -> None:
    with track(tmp_path) as made:
        found = child_races(made, count=200, abreast=6)

    print(f"\n{dict(found)}")
    assert found["refused"] + found["taken, then Canceled"] == 200
    assert found["refused, but there"] == 0


def test_nothing_of_a_canceled_tree_starts_after_the_acknowledgement(tmp_path: Path) -> None:
    with track(tmp_path, room=50) as made:
        found = cancel_tree(made, children=100, room=50)

    print(f"\n{dict(found)}")
    assert found["Canceled"] == 100
    assert (found["started after"], found["ran to the end"]) == (0, 0)
