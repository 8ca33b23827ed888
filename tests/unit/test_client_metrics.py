"""Metrics: what is kept of a value, and what get_metrics makes of it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher import Experiment, Run
from dispatcher.client.errors import AzureMLException, UserErrorException
from dispatcher.client.in_run import metric_lines
from tests.unit.fake_server import serving
from tests.unit.fake_service import FakeService, workspace_of


@pytest.fixture
def fake() -> Iterator[FakeService]:
    with serving() as service:
        yield service


@pytest.fixture
def run(fake: FakeService, tmp_path: Path) -> Run:
    experiment = Experiment(workspace_of(fake, tmp_path), "fruit")
    return experiment.start_logging(snapshot_directory=None, outputs=False)


def log_twice(run: Run) -> None:
    run.log("m", 1)
    run.log("m", 2)


def log_rows(run: Run) -> None:
    run.log_row("m", a=1, b=2)
    run.log_row("m", a=3, b=4)


def log_tables(run: Run) -> None:
    run.log_table("m", {"a": [1, 2], "b": [3, 4]})
    run.log_table("m", {"a": [5], "b": [6]})


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        (lambda run: run.log("m", 0.5), 0.5),
        (lambda run: run.log("m", 7, step=3), 7),
        (lambda run: run.log("m", True), True),
        (lambda run: run.log("m", None), None),
        (lambda run: run.log("m", "ü\n\"'\\\U0001f34e"), "ü\n\"'\\\U0001f34e"),
        (log_twice, [1, 2]),
        (lambda run: run.log_list("m", [1, 2]), [1, 2]),
        (lambda run: run.log_list("m", (1, 2.5)), [1.0, 2.5]),
        (lambda run: run.log_list("m", range(3)), [0, 1, 2]),
        (lambda run: run.log_list("m", (n for n in "ab")), ["a", "b"]),
        (lambda run: run.log_list("m", np.array([1, 2])), [1, 2]),
        (lambda run: run.log_list("m", [7]), 7),
        (lambda run: run.log_row("m", a=1, b="x"), {"a": 1, "b": "x"}),
        (log_rows, {"a": [1, 3], "b": [2, 4]}),
        (lambda run: run.log_table("m", {"a": [1, 2], "b": [3, 4]}), {"a": [1, 2], "b": [3, 4]}),
        (lambda run: run.log_table("m", {"a": [1], "b": 2}), {"a": 1, "b": 2}),
        (log_tables, {"a": [1, 2, 5], "b": [3, 4, 6]}),
        (lambda run: run.log("m", (1, 2)), "(1, 2)"),
        (lambda run: run.log("m", {"a": 1}), "{'a': 1}"),
        (lambda run: run.log("m", np.array([1, 2])), "array([1, 2])"),
    ],
)
def test_what_is_logged_is_read_back(
    run: Run, log: Callable[[Run], None], expected: object
) -> None:
    log(run)

    assert run.get_metrics() == {"m": expected}
    assert run.get_metrics("other") == {}


@pytest.mark.parametrize("empty", [lambda r: r.log_list("m", []), lambda r: r.log_table("m", {})])
def test_nothing_logged_is_nothing_kept(run: Run, empty: Callable[[Run], None]) -> None:
    empty(run)

    assert run.get_metrics() == {}


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (np.float16(0.5), 0.5),
        (np.float32(0.5), 0.5),
        (np.float64(0.5), 0.5),
        (np.int8(3), 3),
        (np.uint16(3), 3),
        (np.int32(3), 3),
        (np.int64(3), 3),
        (np.uint64(3), 3),
        (np.bool_(True), True),
        (np.str_("x"), "x"),
        (np.longdouble(1), repr(np.longdouble(1))),
        (1 + 2j, "(1+2j)"),
    ],
)
def test_numpys_scalars_become_pythons(value: object, kept: object) -> None:
    made = metric_lines.scalar(value)

    assert (type(made), made) == (type(kept), kept)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, np.float32("nan")])
def test_odd_floats_survive(run: Run, value: float) -> None:
    run.log("m", value)

    assert str(run.get_metrics()["m"]) == str(float(value))


@given(
    name=st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
    value=st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    step=st.none() | st.integers(),
)
def test_a_line_is_json_that_says_the_value(name: str, value: Any, step: int | None) -> None:
    line = metric_lines.scalar_line(name, value, "d", step)

    told = json.loads(line)
    assert line.count("\n") == 1
    assert (told["n"], told["k"], told["s"], told["d"]) == (name, "scalar", step, "d")
    assert told["v"] == value or (value != value and told["v"] != told["v"])


@pytest.mark.parametrize("value", [[1], range(2), (n for n in [1])])
def test_log_takes_one_value(value: object) -> None:
    with pytest.raises(UserErrorException):
        metric_lines.scalar_line("m", value)


def test_lists_rows_and_tables_hold_scalars_and_equal_columns() -> None:
    with pytest.raises(AzureMLException):
        metric_lines.list_line("m", [[1]])
    with pytest.raises(AzureMLException):
        metric_lines.row_line("m", {"a": [1]})
    with pytest.raises(AzureMLException):
        metric_lines.table_line("m", {"a": [1, 2], "b": [1]})


def test_recursive_metrics_leave_out_runs_without_any(run: Run) -> None:
    child, silent = run.create_children(count=2)
    child.log("m", 1)
    child.flush()

    assert run.get_metrics(recursive=True) == {child.id: {"m": 1}}
    assert silent.get_metrics() == {}


def test_order_is_kept_over_batches_and_few_requests_are_made(fake: FakeService, run: Run) -> None:
    for number in range(500):
        run.log("m", number)

    assert run.get_metrics()["m"] == list(range(500))
    assert fake.count("POST", "/spool") <= 20


def test_metrics_come_in_the_background(fake: FakeService, run: Run) -> None:
    run.log("m", 1)

    with fake.changed:
        fake.changed.wait_for(lambda: fake.metrics_of(run.id), 5)
    assert len(fake.metrics_of(run.id)) == 1


def test_completing_flushes(fake: FakeService, run: Run) -> None:
    with run:
        run.log("m", 1)

    assert len(fake.metrics_of(run.id)) == 1
    run.log("m", 2)  # a run that has ended still takes metrics
    assert run.get_metrics() == {"m": [1, 2]}
