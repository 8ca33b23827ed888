"""Some of the points of the sweep of deletions on every run of the suite."""

from pathlib import Path

from tests.chaos import deleting


def test_a_killed_deletion_or_collection_loses_and_leaves_nothing(tmp_path: Path) -> None:
    killed, findings = deleting.sweep(tmp_path, 5)

    print(f"\n{killed} kills", *findings, sep="\n")
    assert killed >= 2
    assert findings == []
