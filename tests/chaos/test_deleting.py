"""A service that is killed at any point of a deletion or a collection, while others submit runs,
loses nothing that is in use, and leaves nothing that is not.
"""

from collections import Counter
from pathlib import Path

import pytest

from tests.chaos import deleting
from tests.chaos.injection import PATCHES, Point

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3 * 3600)]


def test_nothing_in_use_is_lost_and_nothing_else_is_left_at_any_point(tmp_path: Path) -> None:
    killed, findings = deleting.sweep(tmp_path, None)

    print(f"\n{killed} kills", *findings, sep="\n")
    assert killed > 50
    assert findings == []


def test_a_collection_that_does_not_look_again_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = Point("serve", "store-writer", "mkdir", 1_000_000)
    monkeypatch.setattr(deleting, "_points", lambda _found, _wanted: [nowhere, nowhere])
    _, findings = deleting.sweep(tmp_path, None, PATCHES / "careless")

    print(*findings, sep="\n")
    assert "lost" in {word for word, _ in findings}


def test_a_collection_that_is_not_finished_by_the_next_one_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unlinks(found: Counter[Point], _wanted: int | None) -> list[Point]:
        thread = next(point.thread for point in found if point.thread.startswith("AnyIO"))
        return [Point("serve", thread, "unlink", n) for n in (3, 5)]

    monkeypatch.setattr(deleting, "_points", unlinks)
    killed, findings = deleting.sweep(tmp_path, None, PATCHES / "abandoning")

    print(f"\n{killed} kills", *findings, sep="\n")
    assert "left" in {word for word, _ in findings}
