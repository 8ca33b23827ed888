"""The races of `tests/chaos`, in small."""

from pathlib import Path

from tests.chaos.racing import cancel_races, cancel_tree, child_races, track


def test_races_between_cancel_completion_and_children_have_one_outcome(tmp_path: Path) -> None:
    with track(tmp_path, room=10) as made:
        ends = cancel_races(made, count=60, abreast=4, seed=1)
        children = child_races(made, count=20, abreast=4)
        tree = cancel_tree(made, children=20, room=10)

    assert ends["Completed"] + ends["Canceled"] == 60
    assert (ends["disagreement"], ends["flip"], ends["wrong"]) == (0, 0, 0)
    assert children["refused"] + children["taken, then Canceled"] == 20
    assert children["refused, but there"] == 0
    assert (tree["Canceled"], tree["started after"], tree["ran to the end"]) == (20, 0, 0)
