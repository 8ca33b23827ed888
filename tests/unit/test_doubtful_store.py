"""A store whose call succeeds, while its caller is told that it failed: nothing is lost or doubled.

That is what a connection that breaks between a commit and its answer looks like.
"""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from dispatcher.core.errors import StoreUnavailable
from dispatcher.core.runs.jobs import Evidence
from dispatcher.store.sql import SqlStore
from tests.unit.installation import Installation, fakes

T = TypeVar("T")
RUNS = 60
GOOD = Evidence(exit_code=0, started_at=1.0, ended_at=2.0)


class DoubtfulStore(SqlStore):
    """Some of what it has done it says it could not do."""

    def __init__(self, url: str, seed: int) -> None:
        super().__init__(url)
        self.share = 0.0
        self.doubted = 0
        self._random = random.Random(seed)

    def write(self, work: Callable[[Any], T]) -> T:
        done = super().write(work)
        if self._random.random() < self.share:
            self.doubted += 1
            raise StoreUnavailable("the connection broke before the answer came")
        return done


@pytest.fixture(params=range(3))
def store(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[DoubtfulStore]:
    store = DoubtfulStore(f"sqlite:///{tmp_path}/x.db", request.param)
    yield store
    store.close()


def stubborn(call: Callable[[], T]) -> T:
    """What a client does: it asks again until it is answered."""
    while True:
        try:
            return call()
        except StoreUnavailable:
            time.sleep(0.001)


def test_calls_that_succeed_and_are_answered_with_a_failure_lose_and_double_nothing(
    store: DoubtfulStore, tmp_path: Path
) -> None:
    installation = Installation(store, fakes(cpus=8), str(tmp_path), time.time).start()
    target = installation.kinds.targets["t"]
    store.share = 0.15
    ids = [f"r{k}" for k in range(RUNS)]
    canceled = set(ids[:: RUNS // 6])
    try:
        for run_id in ids:
            stubborn(lambda run_id=run_id: installation.submit(run_id))  # type: ignore[misc]
        for run_id in canceled:
            stubborn(lambda run_id=run_id: installation.status.cancel(run_id))  # type: ignore[misc]

        def over() -> bool:
            for name in target.alive():
                target.end(name, GOOD)
            return all(installation.status.get(run_id).terminal for run_id in ids)

        installation.until(over, seconds=50)
        store.share = 0.0
        installation.until(lambda: not store.read(lambda tx: tx.runs.owed()))
    finally:
        installation.stop()
    assert store.doubted > 0
    assert set(Counter(target.launches).values()) == {1}
    assert {name.rpartition("-")[2] for name in target.launches} == {"1"}, "a second attempt"
    ends = {run_id: installation.status_of(run_id) for run_id in ids}
    assert {ends[run_id] for run_id in ids if run_id not in canceled} == {"Completed"}
    assert {ends[run_id] for run_id in canceled} <= {"Completed", "Canceled"}
