"""`LabelContract`: what every store keeps of labels and metric points, of any size and number."""

import math
import random
from typing import Any

import pytest

from dispatcher.core.errors import PropertyConflict
from dispatcher.core.runs.lifecycle import (
    Placed,
)
from dispatcher.core.scheduling.plan import Share
from dispatcher.store.contract import Store
from dispatcher.store.metrics.contract import Point
from dispatcher.store.runs.contract import RunQuery
from dispatcher.store.runs.testing import add, change, ids, make


class LabelContract:
    """Subclass it and give a `store` fixture: an empty store."""

    def test_labels_of_any_length_are_kept_and_found(self, store: Store) -> None:
        add(store, make("r"), make("s"))
        long = "".join(map(chr, random.Random(1).choices(range(0x20, 0x3000), k=16 * 1024)))
        key = long[:256]
        store.write(lambda tx: tx.labels.set_tags("r", {key: long}))
        store.write(lambda tx: tx.labels.set_tags("s", {key: long[:-1]}))
        store.write(lambda tx: tx.labels.add_properties("s", {key: long}))
        for query in (RunQuery(tags=((key, (long,)),)), RunQuery(tags=((key, (long[:-1],)),))):
            found = store.read(lambda tx, query=query: tx.runs.query(query))  # type: ignore[misc]
            assert ids(found) == ["r" if query.tags[0][1] == (long,) else "s"]
        found = store.read(lambda tx: tx.runs.query(RunQuery(properties=((key, (long,)),))))
        assert ids(found) == ["s"]

    def test_labels_are_found_together_however_rare_each_is(self, store: Store) -> None:
        add(store, *[make(f"r{k}") for k in range(3000)])
        tags = {f"r{k}": {"odd": str(k % 2), "own": str(k), "none": None} for k in range(3000)}
        store.write(lambda tx: tx.labels.label_all(tags, {"r7": {"who": "x"}}))
        asked: dict[tuple[tuple[str, tuple[str | None] | None], ...], list[str]] = {
            (("odd", ("1",)), ("own", ("7",))): ["r7"],
            (("odd", ("0",)), ("own", ("7",))): [],
            (("odd", ("0",)),): ["r2998", "r2996"],
            (("odd", None), ("none", (None,))): ["r2999", "r2998"],
            (("odd", ("1",)), ("own", None)): ["r2999", "r2997"],
            (("odd", ("2",)),): [],
        }
        for wanted, expected in asked.items():
            query = RunQuery(experiment="e", tags=wanted, limit=2)
            found = store.read(lambda tx, query=query: tx.runs.query(query))  # type: ignore[misc]
            assert ids(found) == expected, wanted
        both = RunQuery(tags=(("odd", ("1",)),), properties=(("who", ("x",)),))
        assert ids(store.read(lambda tx: tx.runs.query(both))) == ["r7"]

    def test_properties_are_found_by_the_start_of_their_keys(self, store: Store) -> None:
        add(store, make("r"), make("s"))
        store.write(lambda tx: tx.labels.add_properties("r", {"a:1": "x", "A:2": "y", "b": None}))
        store.write(lambda tx: tx.labels.add_properties("s", {"a:%": None, "a_1": "z"}))
        found = store.read(lambda tx: tx.labels.properties_like("a:"))
        assert sorted(found) == [("r", "a:1", "x"), ("s", "a:%", None)]

    def test_points_of_any_size_and_any_number_come_back(self, store: Store) -> None:
        add(store, make("r"))
        values: list[Any] = [
            *(math.inf, -math.inf, 1e308, 5e-324, -0.0, 2**62, True, None, ""),
            "\ufffd\U0001f600",
            ["x" * (16 << 20)],
            [1.5] * 1_000_000,
            {"a": [math.inf, None, "x"]},
        ]
        points = [Point("r", 1, f"m{k}", "list", v, 1.0, k, "") for k, v in enumerate(values)]
        store.write(lambda tx: tx.metrics.add_points(points))
        found = store.read(lambda tx: tx.metrics.points(["r"]))["r"]
        assert [point.value for point in found] == values
        assert [type(point.value) for point in found] == [type(value) for value in values]
        store.write(lambda tx: tx.metrics.add_points([Point("r", 1, "nan", "scalar", math.nan)]))
        last = store.read(lambda tx: tx.metrics.points(["r"], "nan"))["r"][0]
        assert math.isnan(last.value)

    def test_properties_are_added_and_never_changed(self, store: Store) -> None:
        add(store, make("r"))
        store.write(lambda tx: tx.labels.add_properties("r", {"author": "x", "n": None}))
        store.write(lambda tx: tx.labels.add_properties("r", {"author": "x"}))
        with pytest.raises(PropertyConflict):
            store.write(lambda tx: tx.labels.add_properties("r", {"new": "1", "author": "y"}))
        assert store.read(lambda tx: tx.labels.properties(["r"])) == {
            "r": {"author": "x", "n": None}
        }

    def test_tags_are_set_merged_and_removed(self, store: Store) -> None:
        add(store, make("r"))
        store.write(lambda tx: tx.labels.set_tags("r", {"a": "1", "b": None}))
        store.write(lambda tx: tx.labels.set_tags("r", {"a": "2"}))
        store.write(lambda tx: tx.labels.remove_tags("r", ["b", "nothing"]))
        assert store.read(lambda tx: tx.labels.tags(["r"])) == {"r": {"a": "2"}}

    def test_a_description_survives_the_next_change(self, store: Store) -> None:
        [run] = add(store, make("r"))
        store.write(lambda tx: tx.labels.describe("r", {"display_name": "D"}))
        store.write(lambda tx: tx.runs.save([change(run, Placed((Share("n"),)))]))
        assert store.read(lambda tx: tx.runs.get(["r"]))["r"].display_name == "D"
