"""Jobs at a target that no run accounts for: they are told of, and ended only on request."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core.errors import Conflict
from dispatcher.core.runs.jobs import Evidence, State, attempt_of
from dispatcher.core.runs.lifecycle import Run
from dispatcher.core.runs.spec import RunSpec
from dispatcher.engine.workers import inventory
from dispatcher.services.catalog import Catalog
from dispatcher.services.orphan_jobs import orphan_jobs
from dispatcher.store.sql import SqlStore
from dispatcher.wire.jobs import Job
from tests.unit.installation import Installation, fakes


@pytest.fixture
def installation(store: SqlStore, tmp_path: Path) -> Iterator[Installation]:
    installation = Installation(store, fakes(), str(tmp_path), time.time)
    yield installation
    installation.stop()


@given(st.from_regex(r"[a-z0-9_\-]{1,30}", fullmatch=True), st.integers(1, 99), st.integers(0, 9))
def test_a_jobs_name_says_which_attempt_of_which_run_it_is(run: str, attempt: int, k: int) -> None:
    stem = f"{run}-{attempt}"
    assert attempt_of(stem if k == 0 else f"{stem}.{k}") == (run, attempt)


@pytest.mark.parametrize("name", ["", "x", "-1", "x-", "x-y", "x-.1", "x-²"])
def test_what_is_no_jobs_name_says_nothing(name: str) -> None:
    assert attempt_of(name) is None


def test_a_job_is_an_orphan_if_its_run_is_not_there_or_has_not_come_to_it(store: SqlStore) -> None:
    spec = RunSpec(id="known", experiment="e", command="true", target="t")
    store.write(lambda tx: tx.runs.add([Run("known", spec=spec, created_at=1.0, attempt=2)]))
    jobs = ["known-1", "known-2", "known-2.1", "known-3", "gone-1", "gone-1.1", "no job"]
    found = store.read(lambda tx: orphan_jobs(tx, jobs))
    assert found == ["gone-1", "gone-1.1", "known-3"]


def test_an_orphan_is_told_of_and_ended_only_on_request(installation: Installation) -> None:
    target, catalog = (
        installation.kinds.targets["t"],
        Catalog(installation.store, installation.targets, time.time),
    )
    target.launch([Job("lost-1", "lost", 1)])
    installation.start()
    installation.until(lambda: installation.targets.orphan_jobs("t") == {"lost-1": State.ALIVE})
    installation.submit("a")
    installation.until(lambda: target.alive() == {"lost-1", "a-1"})
    assert catalog.ping("t")["orphan_jobs"] == {"lost-1": State.ALIVE}
    assert catalog.clear("t")["orphan_jobs"] == {"lost-1": State.ALIVE}
    installation.until(lambda: not installation.targets.orphan_jobs("t"))
    assert target.observations["lost-1"].state is State.REMOVED
    assert target.alive() == {"a-1"}
    target.end("a-1", Evidence(exit_code=0))
    installation.until(lambda: installation.status_of("a") == "Completed")


def test_an_orphan_that_comes_later_is_told_of_at_the_next_inventory(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inventory, "EVERY", 0.0)
    installation.start()
    installation.until(lambda: installation.targets.answers("t"))
    installation.kinds.targets["t"].launch([Job("lost-1", "lost", 1)])
    installation.until(lambda: installation.targets.orphan_jobs("t") == {"lost-1": State.ALIVE})


def test_a_target_that_does_not_answer_is_not_said_to_be_cleared(
    installation: Installation,
) -> None:
    target = installation.kinds.targets["t"]
    target.launch([Job("lost-1", "lost", 1)])
    installation.start()
    installation.until(lambda: installation.targets.orphan_jobs("t") == {"lost-1": State.ALIVE})
    target.away = True
    with pytest.raises(Conflict, match="t does not answer"):
        Catalog(installation.store, installation.targets, time.time).clear("t")
    assert target.alive() == {"lost-1"}


def test_a_target_without_orphans_is_cleared_of_nothing(installation: Installation) -> None:
    installation.start()
    installation.submit("a")
    target = installation.kinds.targets["t"]
    installation.until(lambda: target.alive() == {"a-1"})
    assert (
        Catalog(installation.store, installation.targets, time.time).clear("t")["orphan_jobs"] == {}
    )
    assert target.alive() == {"a-1"}
