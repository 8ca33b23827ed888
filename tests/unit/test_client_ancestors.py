"""The runs above, seen from inside a run: read from its own record, spoken to by its own spool."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dispatcher import Experiment, Run, ScriptRunConfig
from dispatcher.client.errors import UserErrorException
from dispatcher.client.v1.runs.ancestors import AncestorRun
from tests.unit.fake_server import serving
from tests.unit.fake_service import FakeService, in_run, script_in, workspace_of


@pytest.fixture
def fake() -> Iterator[FakeService]:
    with serving() as service:
        yield service


@pytest.fixture
def job(tmp_path: Path) -> Path:
    folder = tmp_path / "jobs" / "r-1"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def leaf(fake: FakeService, tmp_path: Path, job: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The run around the test; `mid` is above it and `top` above that."""
    experiment = Experiment(workspace_of(fake, tmp_path), "fruit")
    top = experiment.start_logging("top", run_id="top", snapshot_directory=None, outputs=False)
    mid = top.child_run("mid", run_id="mid")
    config = ScriptRunConfig(str(script_in(tmp_path / "source")), "train.py")
    submitted = mid.submit_child(config)
    for name, value in in_run(fake, submitted.id, job).items():
        monkeypatch.setenv(name, value)
    run = Run.get_context()
    assert isinstance(run, Run)
    return run


def spooled(job: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (job / "metrics").read_text().splitlines()]


def up(run: Run, times: int = 1) -> Run:
    for _ in range(times):
        above = run.parent
        assert above is not None
        run = above
    return run


def test_the_runs_above_are_climbed_without_asking_for_any_of_them(
    fake: FakeService, leaf: Run
) -> None:
    mid, top = up(leaf), up(leaf, 2)
    assert (mid.id, mid.name, top.id, top.name) == ("mid", "top>mid", "top", "top")
    assert top.parent is None
    assert (top.status, top.type, top.number, top.experiment.name) == ("Running", None, 1, "fruit")
    assert leaf.parent is mid
    assert isinstance(mid, Run)
    assert fake.count("GET", "/runs/mid") == fake.count("GET", "/runs/top") == 0


def test_what_is_said_upwards_is_a_line_of_the_own_spool(leaf: Run, job: Path) -> None:
    top = up(leaf, 2)
    top.log("a", 1, step=3)
    top.log_list("b", [1, 2])
    top.log_list("empty", [])
    top.log_row("c", x=1)
    top.log_table("d", {"x": [1]})
    top.tag("e\n", "f\u00e9")
    top.set_tags({"g": None, "h": "5"})
    top.remove_tags(["g"])
    assert top.tags == {"e\n": "f\u00e9", "h": "5"}
    top.add_properties({"i": "j"})
    lines = spooled(job)
    assert {line["to"] for line in lines} == {"top"}
    assert [(line["k"], line["n"], line["v"]) for line in lines] == [
        ("scalar", "a", 1), ("list", "b", [1, 2]), ("row", "c", {"x": 1}),
        ("table", "d", {"x": [1]}), ("tag", "e\n", "f\u00e9"), ("tag", "g", None),
        ("tag", "h", "5"), ("untag", "g", None), ("property", "i", "j"),
    ]  # fmt: skip
    assert top.properties == {"i": "j"}


def test_what_is_asked_of_one_above_is_read_anew(fake: FakeService, leaf: Run) -> None:
    mid = up(leaf)
    fake.change("mid", {"tags": {"a": "b"}})
    assert (mid.tags, mid.get_tags(), mid.tags) == ({}, {"a": "b"}, {"a": "b"})
    fake.move("mid", "Completed")
    assert (mid.status, mid.get_status()) == ("Running", "Completed")
    assert mid.get_detailed_status() == {"status": "Completed", "details": None}


def test_a_read_brings_what_was_said_to_the_service_first(
    fake: FakeService, leaf: Run, job: Path
) -> None:
    mid = up(leaf)
    mid.tag("a", "b")
    mid.get_tags()
    assert bytes(fake.streams[leaf.id, 1, "metrics"]) == (job / "metrics").read_bytes()


REFUSED: list[Callable[[Any], Any]] = [
    lambda run: run.cancel(),
    lambda run: run.complete(),
    lambda run: run.fail("x"),
    lambda run: run.upload_file("a", "b"),
    lambda run: run.log_image("a", path="b.png"),
    lambda run: run.get_metrics(),
    lambda run: run.get_children(),
    lambda run: run.submit_child(None),
    lambda run: run.child_run(),
    lambda run: run.get_details(),
    lambda run: run.get_file_names(),
    lambda run: run.wait_for_completion(),
    lambda run: run.child_policy("ignore"),
    lambda run: run.__enter__(),
    lambda run: setattr(run, "display_name", "x"),
    lambda run: setattr(run, "description", "x"),
]


@pytest.mark.parametrize("call", REFUSED)
def test_what_cannot_be_done_to_one_above_says_so_and_asks_nothing(
    fake: FakeService, leaf: Run, call: Callable[[Run], Any]
) -> None:
    mid = up(leaf)
    asked = len(fake.calls)
    with pytest.raises(UserErrorException) as refused:
        call(mid)
    text = refused.value.message
    assert "a run may touch itself and what is below it" in text
    assert "mid" in text
    assert leaf.id in text
    assert len(fake.calls) == asked


@pytest.mark.parametrize(
    "call",
    [
        lambda run: run.tag("", "x"),
        lambda run: run.tag("k" * 257, "x"),
        lambda run: run.tag("k", "x" * 20_000),
        lambda run: run.tag("k", "\0"),
        lambda run: run.tag(5),
        lambda run: run.set_tags("a"),
        lambda run: run.remove_tags([5]),
        lambda run: run.add_properties({"held": "other"}),
        lambda run: run.add_properties({"model:m": "1"}),
    ],
)
def test_a_label_that_would_not_be_kept_is_refused_before_anything_is_written(
    fake: FakeService, leaf: Run, job: Path, call: Callable[[Run], Any]
) -> None:
    fake.change("mid", {"properties": {"held": "1"}})
    mid = up(leaf)
    with pytest.raises(UserErrorException):
        call(mid)
    assert not (job / "metrics").exists()


def test_whatever_else_a_run_can_do_is_refused_by_name(leaf: Run) -> None:
    refused = {name for name in dir(Run) if "from a run below" in _said_of(name)}
    assert refused >= {"cancel", "log_image", "log_residuals", "upload_folder", "get_children"}
    assert not refused & {"log", "log_table", "tag", "get_status", "flush"}
    for name in refused:
        with pytest.raises(UserErrorException, match=f"{name} is not possible on run mid"):
            getattr(up(leaf), name)("x", y=1)


def _said_of(name: str) -> str:
    return str(getattr(getattr(AncestorRun, name), "__doc__", ""))


def test_a_script_that_only_logs_does_not_pay_for_it() -> None:
    code = (
        "import sys; from dispatcher import Run; Run.get_context();"
        "print('dispatcher.client.v1.runs.ancestors' in sys.modules)"
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith("AZUREML")}
    made = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert made.stdout.strip() == "False"
