"""`SearchContract`: what every store finds. A store's test is a subclass with a `store` fixture."""

import math
from typing import Any

import pytest

from dispatcher.core.runs.lifecycle import Placed, Started
from dispatcher.core.runs.search import Clause, Order
from dispatcher.core.scheduling.plan import Share
from dispatcher.store.contract import Store
from dispatcher.store.documents.contract import RunDocument
from dispatcher.store.metrics.contract import Point
from dispatcher.store.runs.contract import RunSearch
from dispatcher.store.runs.testing import add, change, ids, make


class SearchContract:
    """What every store finds; the rule is `core.runs.search.holds`."""

    @pytest.fixture
    def searched(self, store: Store) -> Store:
        [a, _b, _c] = add(
            store, make("a", display_name="Ann"), make("b"), make("c", experiment="other")
        )
        add(store, make("a1", a))

        def fill(tx: Any) -> None:
            tx.labels.set_tags("a", {"k": "Val_1", "none": None, "mlflow.user": "me"})
            tx.labels.set_tags("b", {"k": "val21"})
            tx.params.add("a", 1, {"p": "x"})
            tx.params.add("b", 1, {"p": "y%"})
            numbers = {"a": 1.0, "b": math.nan, "a1": -math.inf}
            tx.metrics.add_points([Point(r, 1, "m", "scalar", v) for r, v in numbers.items()])
            tx.documents.put([RunDocument("dataset", "b", "1", {}, "iris", "d1", "train")])
            tx.documents.put([RunDocument("deleted", "c", "", {})])
            tx.runs.save([change(a, Placed((Share("n"),)), Started(2.0))])

        store.write(fill)
        return store

    @pytest.mark.parametrize(
        ("clause", "expected"),
        [
            (Clause("metric", "m", ">", 0), "a"),
            (Clause("metric", "m", "<=", 0), "a1"),
            (Clause("metric", "m", "!=", 1), "a1 b"),
            (Clause("metric", "other", "!=", 1), ""),
            (Clause("param", "p", "=", "x"), "a"),
            (Clause("param", "p", "LIKE", "_%"), "b a"),
            (Clause("param", "p", "IS NULL"), "a1"),
            (Clause("tag", "k", "=", "Val_1"), "a"),
            (Clause("tag", "k", "LIKE", "Val__"), "a"),
            (Clause("tag", "k", "LIKE", "v%"), "b"),
            (Clause("tag", "k", "ILIKE", "VAL_1"), "b a"),
            (Clause("tag", "none", "=", ""), "a"),
            (Clause("tag", "k", "IS NOT NULL"), "b a"),
            (Clause("tag", "k", "!=", "Val_1"), "b"),
            (Clause("tag", "mlflow.runName", "=", "Ann"), "a"),
            (Clause("tag", "mlflow.parentRunId", "=", "a"), "a1"),
            (Clause("tag", "mlflow.parentRunId", "IS NULL"), "b a"),
            (Clause("dataset", "name", "LIKE", "ir%"), "b"),
            (Clause("dataset", "digest", "IN", ("d1", "d2")), "b"),
            (Clause("dataset", "context", "=", "eval"), ""),
            (Clause("attribute", "status", "=", "RUNNING"), "a"),
            (Clause("attribute", "status", "!=", "RUNNING"), "a1 b"),
            (Clause("attribute", "status", "LIKE", "SCHED%"), "a1 b"),
            (Clause("attribute", "run_id", "IN", ("a", "c")), "a"),
            (Clause("attribute", "run_id", "NOT IN", ("a",)), "a1 b"),
            (Clause("attribute", "run_name", "=", "b"), "b"),
            (Clause("attribute", "user_id", "=", "me"), "a"),
            (Clause("attribute", "start_time", ">", 1500), "a"),
            (Clause("attribute", "end_time", "<", 1500), ""),
        ],
        ids=lambda value: str(value) if isinstance(value, str) else f"{value.kind} {value.op}",
    )
    def test_a_clause_finds(self, searched: Store, clause: Clause, expected: str) -> None:
        found = searched.read(lambda tx: tx.runs.search(RunSearch(clauses=(clause,))))
        assert " ".join(ids(found)) == expected

    def test_the_scope_of_a_search(self, searched: Store) -> None:
        def search(**fields: Any) -> str:
            return " ".join(ids(searched.read(lambda tx: tx.runs.search(RunSearch(**fields)))))

        assert search() == "a1 b a"
        assert search(view="all") == "a1 c b a"
        assert search(view="deleted") == "c"
        assert search(experiments=("other",), view="all") == "c"
        assert search(experiments=()) == ""
        assert search(within="a") == "a1 a"
        assert search(limit=1, offset=1) == "b"

    def test_runs_are_sorted_and_what_has_no_value_comes_last(self, searched: Store) -> None:
        def by(*orders: Order) -> str:
            search = RunSearch(order=orders)
            return " ".join(ids(searched.read(lambda tx: tx.runs.search(search))))

        assert by(Order("metric", "m")) == "a1 a b"
        assert by(Order("metric", "m", True)) == "a a1 b"
        assert by(Order("tag", "k", True)) == "b a a1"
        assert by(Order("param", "p")) == "a b a1"
        assert by(Order("attribute", "start_time", True), Order("attribute", "run_id")) == "a a1 b"
        assert by(Order("attribute", "end_time"), Order("attribute", "run_name")) == "a a1 b"
