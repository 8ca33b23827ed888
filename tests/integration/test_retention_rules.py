"""Runs and logs are deleted by the rules, the oldest first, and nothing that is relied on."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dispatcher.core.errors import StoreUnavailable
from dispatcher.services.collection.collected import Collected
from dispatcher.services.collection.timer import EVERY, FIRST_AFTER, CollectionTimer
from dispatcher.services.mlflow.experiments import MlflowExperiments
from dispatcher.store.documents.contract import RunDocument
from dispatcher.store.runs.contract import RunQuery
from dispatcher.store.runs.mlflow_terms import DELETED
from tests.rigs.collection import Rig, rig


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Rig]:
    with rig(tmp_path) as one:
        yield one


def days(made: Rig, count: int, size: int = 0) -> None:
    """A run each day, each with a file of that size and a log of ten bytes."""
    for k in range(count):
        made.run(f"day{k}")
        if size:
            made.put_file(f"day{k}", "a", bytes([k]) * size)
        made.put_log(f"day{k}", b"0123456789")
        made.end(f"day{k}")
        made.pass_days(1)


def left(made: Rig) -> list[str]:
    runs = made.store.read(lambda tx: tx.runs.query(RunQuery(limit=1000)))
    return sorted(run.id for run in runs)


def test_by_default_no_run_and_no_log_is_deleted(made: Rig) -> None:
    days(made, 2)
    made.pass_days(10_000)
    made.collect()
    assert left(made) == ["day0", "day1"]
    assert made.stored_logs() == 2


def test_runs_are_deleted_by_their_age(made: Rig) -> None:
    days(made, 5)
    planned = made.collect(runs_age="2.5d", dry_run=True)
    assert left(made) == [f"day{k}" for k in range(5)]
    assert made.collect(runs_age="2.5d")["runs"] == planned["runs"] == Collected(3, 30)
    assert left(made) == ["day3", "day4"]
    assert made.stored_logs() == 2


def test_runs_are_deleted_by_their_number(made: Rig) -> None:
    days(made, 5)
    made.run("open")
    assert made.collect(runs_count=2)["runs"].count == 3
    assert left(made) == ["day3", "day4", "open"], "a run that has not ended does not count"


def test_runs_are_deleted_by_their_size(made: Rig) -> None:
    days(made, 5, size=1000)
    assert made.collect(runs_bytes="2500B")["runs"] == Collected(3, 3030)
    assert left(made) == ["day3", "day4"]
    assert made.collect(runs_bytes="2500B")["runs"] == Collected()


def test_a_run_goes_with_all_below_it_and_never_before_its_parent_has_ended(made: Rig) -> None:
    made.run("top")
    made.run("child", made.status.get("top"))
    made.end("child")
    made.pass_days(9)
    made.collect(runs_age="1d")
    assert left(made) == ["child", "top"]
    made.end("top")
    made.pass_days(2)
    made.collect(runs_age="1d")
    assert left(made) == []


def test_logs_of_runs_that_ended_long_ago_are_deleted_and_the_runs_stay(made: Rig) -> None:
    days(made, 4)
    assert made.collect(logs_age="1.5d", dry_run=True)["logs_of_ended_runs"].count == 3
    assert made.collect(logs_age="1.5d")["logs_of_ended_runs"].count == 3
    assert made.stored_logs() == 1
    assert made.tracking.logs("day0") == []
    assert left(made) == [f"day{k}" for k in range(4)]


def test_a_run_deleted_in_mlflow_can_be_restored_until_its_time_is_over(made: Rig) -> None:
    days(made, 3)
    for name in ("day0", "day1"):
        mark = RunDocument(DELETED, name, "", {"at": made.clock()})
        made.store.write(lambda tx, each=mark: tx.documents.put([each]))  # type: ignore[misc]
        made.pass_days(1)
    made.collect()
    assert left(made) == ["day0", "day1", "day2"]
    made.collect(deleted_runs_age="1.5d")
    assert left(made) == ["day1", "day2"]
    made.store.write(lambda tx: tx.documents.remove(DELETED, "day1", ""))
    made.pass_days(9)
    made.collect(deleted_runs_age="1.5d")
    assert left(made) == ["day1", "day2"]


def test_the_service_collects_every_hour_and_goes_on_after_a_failure(
    made: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    days(made, 3)
    made.collection.change_rules({"runs_age": "1.5d"})
    now, waits = [0.0], [0.0]
    failing = [True]
    collect = made.collection.collect

    def once_failing(*rules: Any, **how: Any) -> Any:
        if failing.pop() if failing else False:
            raise StoreUnavailable("the database restarts")
        return collect(*rules, **how)

    def wait(seconds: float) -> bool:
        waits.append(seconds)
        now[0] += seconds
        return len(waits) > 3

    monkeypatch.setattr(made.collection, "collect", once_failing)
    CollectionTimer(made.collection, lambda: now[0], wait).run()
    assert waits == [0.0, FIRST_AFTER, EVERY, EVERY]
    assert left(made) == ["day2"]


def test_an_experiment_deleted_in_mlflow_goes_and_one_that_is_archived_stays(made: Rig) -> None:
    mlflow = MlflowExperiments(made.store, made.clock)
    ids = {name: mlflow.create(name, {}).id for name in ("gone", "restored", "archived")}
    for name in ids:
        made.run(f"run-{name}", experiment=name)
        made.end(f"run-{name}")
    mlflow.change(ids["gone"], deleted=True)
    mlflow.change(ids["restored"], deleted=True)
    mlflow.change(ids["restored"], deleted=False)
    archived = mlflow.by_title("archived")
    old = replace(archived, archived_at=made.clock())
    made.store.write(lambda tx: tx.registry.put_experiment(old))
    made.pass_days(2)
    made.collect()
    assert len(left(made)) == 3
    assert made.collect(deleted_runs_age="1d", dry_run=True)["experiments"].count == 1
    assert made.collect(deleted_runs_age="1d")["experiments"].count == 1
    assert left(made) == ["run-archived", "run-restored"]
    names = [each.name for each in made.store.read(lambda tx: tx.registry.experiments())]
    assert sorted(names) == ["archived", "restored"]
