"""`RunTableContract`: runs as a table: sorted, searched, counted."""

from dataclasses import replace
from typing import Any

import pytest

from dispatcher.core.runs.jobs import Evidence
from dispatcher.core.runs.lifecycle import Exited, Failed, Placed, Run, Started
from dispatcher.core.scheduling.plan import Share
from dispatcher.store.contract import Store
from dispatcher.store.runs.contract import ActiveCount, ExperimentTotal, RunOrder, RunQuery
from dispatcher.store.runs.testing import add, change, ids, make

PLACED = Placed((Share("n", ()),))


def found(store: Store, **query: Any) -> list[str]:
    return ids(store.read(lambda tx: tx.runs.query(RunQuery(**query))))


def with_times(store: Store, name: str, started: float, ended: float, **fields: Any) -> Run:
    """A run that has failed, and when it began and ended."""
    (run,) = add(store, make(name, **fields))
    evidence = Evidence(exit_code=1, started_at=started, ended_at=ended)
    events = (PLACED, Started(started), Exited(evidence), Failed(ended, {"code": "x"}))
    assert store.write(lambda tx: tx.runs.save([change(run, *events)])) == set()
    return run


class RunTableContract:
    """Subclass it and give a `store` fixture: an empty store."""

    def test_a_text_is_found_in_ids_names_descriptions_submitters_experiments_and_tags(
        self, store: Store
    ) -> None:
        add(
            store,
            make("first"),
            make("second", display_name="Wide NET 100%"),
            make("third", description="a wide one"),
            make("fourth", experiment="widths"),
            replace(make("fifth"), submitted_by="adah"),
        )
        store.write(lambda tx: tx.labels.set_tags("fifth", {"shape": "wide_"}))
        store.write(lambda tx: tx.labels.set_tags("first", {"width": None}))

        assert set(found(store, text="WIDE")) == {"second", "third", "fifth"}
        assert set(found(store, text="wid")) == {"first", "second", "third", "fourth", "fifth"}
        assert found(store, text="100%") == ["second"]
        assert found(store, text="e_") == ["fifth"]
        assert found(store, text="Ada") == ["fifth"]
        assert found(store, text="absent") == []

    def test_filters_by_submitter_and_by_several_statuses(self, store: Store) -> None:
        add(store, replace(make("mine"), submitted_by="ada"), make("yours"))
        with_times(store, "ended", 1.0, 2.0)
        assert found(store, submitted_by="ada") == ["mine"]
        assert found(store, submitted_by="ad") == []
        assert set(found(store, statuses=("Queued", "Running"))) == {"mine", "yours"}
        assert found(store, statuses=("Failed",)) == ["ended"]

    @pytest.mark.parametrize(
        ("order", "upwards"),
        [
            ("name", ["b", "c", "a", "z"]),
            ("number", ["a", "b", "c", "z"]),
            ("started", ["c", "a", "b", "z"]),
            ("ended", ["c", "b", "a", "z"]),
            ("duration", ["c", "b", "a", "z"]),
            ("target", ["a", "b", "c", "z"]),
        ],
    )
    def test_runs_are_sorted_and_those_without_a_value_come_last(
        self, store: Store, order: RunOrder, upwards: list[str]
    ) -> None:
        with_times(store, "a", 20.0, 90.0, display_name="gamma", target="t1")
        with_times(store, "b", 30.0, 40.0, display_name="alpha", target="t2")
        with_times(store, "c", 10.0, 15.0, display_name="beta", target="t3")
        add(store, make("z", display_name="omega", target="t4"))
        assert found(store, order=order) == upwards
        downwards = [*upwards[-2::-1], "z"]
        if order in ("name", "number", "target"):
            downwards = upwards[::-1]
        assert found(store, order=order, descending=True) == downwards
        assert found(store, order=order, limit=2, offset=1) == upwards[1:3]

    def test_what_a_query_lists_is_counted_up_to_a_limit(self, store: Store) -> None:
        (parent,) = add(store, make("p"))
        add(store, *(make(f"c{k}", parent) for k in range(5)))

        def count(most: int, **query: Any) -> int:
            return store.read(lambda tx: tx.runs.count(RunQuery(limit=1, **query), most))

        assert (count(100), count(4)) == (6, 4)
        assert (count(100, parent="p"), count(100, top_level=True)) == (5, 1)
        assert count(100, text="c3") == 1
        assert count(100, offset=3, order="name") == 6

    def test_totals_of_experiments_and_the_runs_that_are_active(self, store: Store) -> None:
        with_times(store, "a", 20.0, 90.0, experiment="one", target="t1")
        assert store.read(lambda tx: tx.runs.totals()) == {"one": ExperimentTotal(1, 20.0)}
        add(store, make("b", experiment="two", target="t1"), make("c", experiment="two"))
        assert store.read(lambda tx: tx.runs.totals())["two"].runs == 2
        assert store.read(lambda tx: tx.runs.active()) == [
            ActiveCount("two", "local", "Queued", 1),
            ActiveCount("two", "t1", "Queued", 1),
        ]

    def test_the_runs_below_a_run_are_counted_at_every_depth(self, store: Store) -> None:
        (top,) = add(store, make("top"))
        (middle,) = add(store, make("middle", top))
        add(store, make("leaf", middle), make("other"))
        assert store.read(lambda tx: tx.runs.below_by_status("top")) == {"Queued": 2}
        assert store.read(lambda tx: tx.runs.below_by_status("none")) == {}
