"""`MetricsContract`: what every store keeps of metrics, params and the offsets of streams."""

import math
import threading
from typing import Any

import pytest

from dispatcher.core.errors import ParamConflict
from dispatcher.store.contract import Store
from dispatcher.store.metrics.contract import Latest, Point


class MetricsContract:
    """Subclass it and give a `store` fixture: an empty store."""

    def test_reading_how_far_a_stream_is_held_never_fails_while_it_grows(
        self, store: Store
    ) -> None:
        key = ("r", 1, "log:a")
        store.write(lambda tx: tx.metrics.advance({key: 1}))
        is_read = threading.Event()

        def grow() -> None:
            size = 1
            while not is_read.is_set():
                size += 1
                store.write(lambda tx, n=size: tx.metrics.advance({key: n}))  # type: ignore[misc]

        writer = threading.Thread(target=grow)
        writer.start()
        try:
            sizes = [store.read(lambda tx: tx.metrics.offsets([key]))[key] for _ in range(300)]
        finally:
            is_read.set()
            writer.join()
        assert sizes == sorted(sizes)
        assert sizes[0] >= 1

    @pytest.mark.parametrize(
        "value", [1, 1.5, True, None, "text", "ünï☃", [1, 2.0], {"a": [1]}, 1e308, -0.0, 10**17]
    )
    def test_a_metric_value_comes_back_as_it_was(self, store: Store, value: object) -> None:
        store.write(lambda tx: tx.metrics.add_points([Point("r", 1, "m", "scalar", value)]))
        [point] = store.read(lambda tx: tx.metrics.points(["r"]))["r"]
        assert point.value == value
        assert type(point.value) is type(value)

    def test_nan_and_the_infinities_come_back(self, store: Store) -> None:
        values = [math.nan, math.inf, -math.inf]
        points = [Point("r", 1, "m", "scalar", value) for value in values]
        store.write(lambda tx: tx.metrics.add_points(points))
        found = [p.value for p in store.read(lambda tx: tx.metrics.points(["r"]))["r"]]
        assert math.isnan(found[0])
        assert found[1:] == values[1:]

    def test_points_are_in_logging_order_and_by_attempt(self, store: Store) -> None:
        points = [Point("r", 1 + k // 5, "mn"[k % 2], "scalar", k) for k in range(10)]
        store.write(lambda tx: tx.metrics.add_points(points))
        found = store.read(lambda tx: tx.metrics.points(["r", "s"], None, {"r": 2}))
        assert [p.value for p in found["r"]] == [5, 6, 7, 8, 9]
        named = store.read(lambda tx: tx.metrics.points(["r"], "m"))
        assert [p.value for p in named["r"]] == [0, 2, 4, 6, 8]

    def test_streams_advance(self, store: Store) -> None:
        key, other = ("r", 1, "metrics"), ("r", 1, "log:a")
        assert store.read(lambda tx: tx.metrics.offsets([key])) == {key: 0}
        store.write(lambda tx: tx.metrics.advance({key: 5, other: 7}))
        store.write(lambda tx: tx.metrics.advance({key: 6}))
        assert store.read(lambda tx: tx.metrics.offsets([key, other])) == {key: 6, other: 7}
        assert store.read(lambda tx: tx.metrics.streams("r")) == [
            (1, "log:a", 7), (1, "metrics", 6),
        ]  # fmt: skip

    def test_params_are_written_once_by_each_attempt(self, store: Store) -> None:
        store.write(lambda tx: tx.params.add("r", 1, {"a": "1", "b": ""}))
        store.write(lambda tx: tx.params.add("r", 1, {"a": "1", "c": "3"}))
        with pytest.raises(ParamConflict, match="'a'"):
            store.write(lambda tx: tx.params.add("r", 1, {"new": "1", "a": "2"}))
        assert store.read(lambda tx: tx.params.of({"r": 1, "s": 1})) == {
            "r": {"a": "1", "b": "", "c": "3"}
        }
        store.write(lambda tx: tx.params.add("r", 2, {"a": "2"}))
        store.write(lambda tx: tx.params.add("r", 1, {"a": "1"}))
        assert store.read(lambda tx: tx.params.of({"r": 2})) == {"r": {"a": "2"}}

    def test_the_newest_number_is_of_the_highest_step_then_time_then_value(
        self, store: Store
    ) -> None:
        def log(name: str, *points: tuple[Any, float, int | None], attempt: int = 1) -> None:
            made = [Point("r", attempt, name, "scalar", v, t, step) for v, t, step in points]
            store.write(lambda tx: tx.metrics.add_points(made))

        log("step", (1, 9.0, 2), (2.5, 1.0, 3), (3, 9.0, 1))
        log("time", (1, 1.0, None))
        log("time", (2, 3.0, None), (3, 2.0, None))
        log("nan", (math.nan, 1.0, 0))
        log("value", (2, 1.0, 0), (math.nan, 1.0, 0), (1, 1.0, 0))
        log("inf", (-math.inf, 1.0, 0), (True, 2.0, -1))
        log("text", ("a", 1.0, 0), (None, 1.0, 0))
        log("late", (5, 1.0, 0), attempt=2)
        latest = store.read(lambda tx: tx.metrics.latest({"r": 1}))["r"]
        assert {name: last.value for name, last in latest.items() if name != "nan"} == {
            "inf": -math.inf, "step": 2.5, "time": 2.0, "value": 2.0,
        }  # fmt: skip
        assert math.isnan(latest["nan"].value)
        assert (latest["step"].t, latest["step"].step) == (1.0, 3)
        assert list(store.read(lambda tx: tx.metrics.latest({"r": 2}))["r"]) == ["late"]

    def test_a_metrics_name_may_be_as_long_as_the_service_takes(self, store: Store) -> None:
        name = "".join(chr(0x4E00 + k * 7919 % 20_000) for k in range(666))  # 1,998 bytes
        store.write(lambda tx: tx.metrics.add_numbers("r", 1, [(name, 1.0, 1.0, 1)]))
        assert list(store.read(lambda tx: tx.metrics.latest({"r": 1}))["r"]) == [name]
        assert len(store.read(lambda tx: tx.metrics.history("r", name, 1))) == 1

    def test_numbers_are_points(self, store: Store) -> None:
        numbers = [("m", 1.5, 2.0, 3), ("m", math.nan, 2.5, 2), ("n", math.nan, 1.0, 0)]
        numbers += [("o", -math.inf, 1.0, 0), ("o", math.nan, 1.0, 0), ("o", 2.0, 0.5, 0)]
        store.write(lambda tx: tx.metrics.add_numbers("r", 1, numbers))
        points = store.read(lambda tx: tx.metrics.points(["r"]))["r"]
        assert [(p.name, repr(p.value), p.t, p.step) for p in points] == [
            (name, repr(value), t, step) for name, value, t, step in numbers
        ]
        assert {(p.run_id, p.attempt, p.kind, p.description) for p in points} == {
            ("r", 1, "scalar", "")
        }
        latest = store.read(lambda tx: tx.metrics.latest({"r": 1}))["r"]
        assert latest["m"] == Latest(1.5, 2.0, 3)
        assert math.isnan(latest["n"].value)

    def test_a_history_holds_all_numbers_in_logging_order_page_by_page(self, store: Store) -> None:
        values: list[Any] = [1, math.inf, "text", True, None, -2.5, False]
        points = [Point("r", 1, "m", "scalar", v, float(k), k) for k, v in enumerate(values)]
        points.append(Point("r", 1, "m", "list", [1]))
        points.append(Point("r", 2, "m", "scalar", 7))
        store.write(lambda tx: tx.metrics.add_points(points))
        whole = store.read(lambda tx: tx.metrics.history("r", "m", 1))
        assert [sample[1:] for sample in whole] == [
            (1.0, 0.0, 0), (math.inf, 1.0, 1), (1.0, 3.0, 3), (-2.5, 5.0, 5), (0.0, 6.0, 6),
        ]  # fmt: skip
        later = store.read(lambda tx: tx.metrics.history("r", "m", 1, after=whole[1][0], limit=2))
        assert later == whole[2:4]
