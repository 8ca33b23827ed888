"""A script logs to, tags and reads the runs above its own; nothing of it is lost or doubled."""

import os
import signal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.rigs.desk import Desk
from tests.rigs.waiting import until

TREE = """
import sys
from dispatcher import Run, RunConfiguration, ScriptRunConfig
depth, method = int(sys.argv[1]), sys.argv[2]
run = Run.get_context()
config = RunConfiguration()
config.start_method = method
for k in range(2 if depth else 0):
    run.submit_child(ScriptRunConfig(".", "main.py", [depth - 1, method], config))
for child in run.get_children():
    child.wait_for_completion()
if depth == 2:
    assert run.parent is None
if depth == 0:
    top = run.parent.parent
    assert isinstance(top, Run) and top.parent is None
    assert top.experiment.name == run.experiment.name
    assert (top.get_status(), run.parent.get_status()) == ("Running", "Running")
    top.log("leaf", run.id)
    top.log_row("row", a=1, b=2)
    run.parent.log_list("list", [1, 2])
    top.tag(run.id, "here")
    run.parent.set_tags({"by": "child", "none": None})
    top.add_properties({"same": "1"})
    assert top.get_tags()[run.id] == "here"
    assert top.get_properties()["same"] == "1"
    assert run.get_metrics() == {}
    listed = {each.id for each in run.experiment.get_runs()}
    assert top.id in listed, listed
    assert run.experiment.workspace.get_run(top.id) == top
    for refused in (top.cancel, top.complete, top.get_metrics, top.get_children):
        try:
            refused()
        except Exception as error:
            assert "a run may touch itself and what is below it" in str(error), error
        else:
            raise AssertionError(refused)
"""


@pytest.mark.parametrize("method", ["fresh", "fork"])
def test_grandchildren_log_to_and_tag_the_run_at_the_top(shared: Desk, method: str) -> None:
    source = shared.source("upwards", main=TREE)
    top = shared.submit(source, 2, method, start_method=method)
    top.wait_for_completion(timeout=90)
    middles = list(top.get_children())
    leaves = [leaf.id for middle in middles for leaf in middle.get_children()]
    assert {run.get_status() for run in top.get_children(recursive=True)} == {"Completed"}
    metrics = top.get_metrics()
    assert sorted(metrics["leaf"]) == sorted(leaves)
    assert metrics["row"] == {"a": [1] * 4, "b": [2] * 4}
    assert top.get_tags() == dict.fromkeys(leaves, "here")
    assert top.get_properties()["same"] == "1"
    for middle in middles:
        assert middle.get_metrics() == {"list": [1, 2, 1, 2]}
        assert middle.get_tags() == {"by": "child", "none": None}


MANY = """
import sys
from dispatcher import Run, RunConfiguration, ScriptRunConfig
run = Run.get_context()
if len(sys.argv) == 2:
    config = RunConfiguration()
    config.start_method = sys.argv[1]
    configs = [ScriptRunConfig(".", "main.py", ["child", k], config) for k in range(20)]
    for child in run.submit_children(configs):
        child.wait_for_completion()
else:
    for k in range(50):
        run.parent.log("k", int(sys.argv[2]) * 50 + k)
"""


@pytest.mark.parametrize("method", ["fresh", "fork"])
def test_of_20_children_that_log_50_points_each_to_their_parent_none_is_lost_or_doubled(
    shared: Desk, method: str
) -> None:
    parent = shared.submit(shared.source("many", main=MANY), method, start_method=method)
    parent.wait_for_completion(timeout=90)
    logged = parent.get_metrics("k")["k"]
    assert sorted(logged) == list(range(1000))
    for child in range(20):  # each child's in its own order
        own = [value for value in logged if value // 50 == child]
        assert own == sorted(own)


KILLED = """
import os, sys, time
from dispatcher import Run, ScriptRunConfig
run = Run.get_context()
if len(sys.argv) == 2:
    child = run.submit_child(ScriptRunConfig(".", "main.py", [sys.argv[1], "child"]))
    child.wait_for_completion(raise_on_error=False)
else:
    parent = run.parent
    told = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(told, b"%d\\n" % os.getpid())
    for k in range(10 ** 6):
        parent.log("k", k)
        os.write(told, b".")
        if k % 50 == 49:
            time.sleep(0.005)
"""


def test_a_sigkill_of_the_child_loses_no_point_that_it_has_logged_to_its_parent(
    shared: Desk, tmp_path: Path
) -> None:
    told = tmp_path / "told"
    parent = shared.submit(shared.source("killed", main=KILLED), told)
    until(lambda: told.exists() and told.stat().st_size > 500, "it logs")
    os.kill(int(told.read_text().partition("\n")[0]), signal.SIGKILL)
    parent.wait_for_completion(timeout=60)
    written = told.read_text().count(".")
    logged = parent.get_metrics("k")["k"]
    assert logged == list(range(len(logged)))
    assert written <= len(logged) <= written + 1


FLUSHED = """
import os, sys, time
from dispatcher import Run, ScriptRunConfig
run = Run.get_context()
if len(sys.argv) == 2:
    run.submit_child(ScriptRunConfig(".", "main.py", [sys.argv[1], "child"])).wait_for_completion()
else:
    run.parent.log("x", 1)
    run.flush()
    open(sys.argv[1], "w").close()
    while os.path.exists(sys.argv[1]):
        time.sleep(0.02)
"""


def test_after_a_flush_the_owner_sees_what_was_logged_to_the_parent(
    shared: Desk, tmp_path: Path
) -> None:
    told = tmp_path / "told"
    parent = shared.submit(shared.source("flushed", main=FLUSHED), told)
    until(told.exists, "it has flushed")
    assert parent.get_metrics() == {"x": 1}
    told.unlink()
    parent.wait_for_completion(timeout=60)


HOSTILE = """
import os, sys
from dispatcher import Run
run = Run.get_context()
run.log("own", 1)
with open(os.path.join(os.environ["DISPATCHER_JOB_DIR"], "metrics"), "a") as spool:
    for k in range(1000):
        spool.write('{"n":"stolen","k":"scalar","v":1,"to":"%s"}\\n' % sys.argv[1])
        spool.write('{"n":"stolen","k":"tag","v":"1","to":"%s"}\\n' % sys.argv[1])
run.log("own", 2)
"""


def test_a_script_that_writes_another_run_into_its_spool_reaches_nobody(shared: Desk) -> None:
    victim = shared.experiment.start_logging(snapshot_directory=None, outputs=False)
    run = shared.submit(shared.source("hostile", main=HOSTILE), victim.id)
    run.wait_for_completion(timeout=60)
    look: Any = partial(run.get_metrics, "own")
    until(lambda: look() == {"own": [1, 2]}, "its own points are there")
    assert (victim.get_metrics(), victim.get_tags()) == ({}, {})
    victim.complete()
