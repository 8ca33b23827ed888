"""A service killed at every call that leaves it loses nothing, starts nothing twice, and says the
truth: on local processes and containers, on SQLite and PostgreSQL.
"""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.chaos.injection import PATCHES, Point
from tests.chaos.judging import Tally, header
from tests.chaos.stages import Kind
from tests.chaos.sweep import sweep
from tests.rigs.dockerd import Dockerd
from tests.rigs.postgres import Postgres

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3 * 3600)]

WORKERS = int(os.environ.get("CHAOS_WORKERS") or 3)


def show(name: str, tally: Tally) -> None:
    print(f"\n{header()}\n{tally.row(name)}", *tally.findings, sep="\n")


@pytest.mark.parametrize("store", ["sqlite", "postgresql"])
@pytest.mark.parametrize("target", ["local", "docker", "warm docker"])
def test_nothing_goes_wrong_at_any_point(
    target: str, store: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    engine: Dockerd | None = None
    server: Postgres | None = None
    if target != "local":
        engine = request.getfixturevalue("dockerd")
    if store == "postgresql":
        server = request.getfixturevalue("postgres")
    name, warm = f"{target}+{store}", target.startswith("warm")
    kinds = [Kind(name, server.url() if server else "", engine, warm) for _ in range(WORKERS)]

    tally = sweep(kinds, tmp_path)

    show(kinds[0].name, tally)
    assert tally.killed > 100
    assert tally.clean, tally.findings


def few(_found: Counter[Point]) -> Sequence[Point]:
    return [Point("recover", "", "fdatasync", n) for n in (1, 3, 5)]


def test_a_service_that_relaunches_without_a_claim_is_found_out(tmp_path: Path) -> None:
    tally = sweep([Kind("planted", patches=PATCHES / "relaunching")], tmp_path, few)

    show("relaunches", tally)
    assert tally.counts["dup"] > 0


def test_a_service_that_fails_what_it_does_not_know_is_found_out(tmp_path: Path) -> None:
    tally = sweep([Kind("planted", patches=PATCHES / "failing")], tmp_path, few)

    show("fails instead of looking", tally)
    assert tally.counts["wrong"] + tally.counts["lost"] > 0
