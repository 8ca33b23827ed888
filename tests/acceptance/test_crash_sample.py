"""A dozen of the crash sweep's points on every run of the suite; `make test-all` takes them all."""

from pathlib import Path

from tests.chaos.judging import header
from tests.chaos.stages import Kind
from tests.chaos.sweep import sample, sweep


def test_a_killed_service_loses_nothing_and_starts_nothing_twice(tmp_path: Path) -> None:
    tally = sweep([Kind("sample"), Kind("sample")], tmp_path, sample(12))

    print(f"\n{header()}\n{tally.row('local+sqlite')}", *tally.findings, sep="\n")
    assert tally.killed >= 6
    assert tally.clean, tally.findings
