"""Parents that wait do not block the slots that their children need."""

import time

import pytest

from dispatcher.client.errors import ActivityFailedException
from dispatcher.client.v1.configs.parts import DockerConfiguration
from tests.rigs.desk import Desk

TREE = """
import sys
from dispatcher import Run, RunConfiguration, ScriptRunConfig
depth = int(sys.argv[1])
run = Run.get_context()
config = RunConfiguration()
config.target = sys.argv[2]
for k in range(3 if depth else 0):
    run.submit_child(ScriptRunConfig(".", "main.py", [depth - 1, sys.argv[2]], config))
for child in run.get_children():
    child.wait_for_completion()
print("depth", depth, "done")
"""


def test_on_one_slot_a_tree_of_depth_3_and_fan_out_3_completes(shared: Desk) -> None:
    shared.attach("one", kind="local", cpus=1)
    source = shared.source("tree", main=TREE)
    root = shared.submit(source, 2, "one", target="one")
    root.wait_for_completion(timeout=90)
    below = list(root.get_children(recursive=True))
    assert len(below) == 12
    assert {run.get_status() for run in [root, *below]} == {"Completed"}
    assert {run.parent.id for run in below if run.parent.id != root.id} == {
        run.id for run in root.get_children()
    }


def test_with_lending_off_the_wait_is_refused_within_5_s_with_the_cycle_named(
    shared: Desk,
) -> None:
    shared.attach("stiff", kind="local", cpus=1, lend_slots=False)
    source = shared.source("tree", main=TREE)
    root = shared.submit(source, 1, "stiff", target="stiff")
    started = time.monotonic()
    with pytest.raises(ActivityFailedException) as failed:
        root.wait_for_completion(timeout=60)
    assert time.monotonic() - started < 5
    text = str(failed.value)
    assert "can never end" in text
    assert f"{root.id} -> " in text
    for child in root.get_children():
        child.cancel()


WAITS = """
import sys, time
from dispatcher import Run, RunConfiguration, ScriptRunConfig
run = Run.get_context()
config = RunConfiguration()
config.target = "one"
children = [run.submit_child(ScriptRunConfig(".", "child.py", [k], config)) for k in range(3)]
for child in children:
    child.wait_for_completion(raise_on_error=False)
print([child.get_status() for child in children])
"""


def test_a_child_that_fails_is_told_of_but_the_parent_completes_as_in_v1(shared: Desk) -> None:
    shared.attach("one", kind="local", cpus=1)
    child = "import sys\nsys.exit(int(sys.argv[1]) % 2)\n"
    source = shared.source("mixed", main=WAITS, child=child)
    root = shared.submit(source, target="one")
    details = root.wait_for_completion(timeout=60)
    assert details["status"] == "Completed"
    assert any("1 of 3 children failed" in w["message"] for w in details["warnings"])
    assert shared.view(root.id)["children"] == {
        "total": 3, "failed": 1, "canceled": 0, "open": 0,
    }  # fmt: skip


def test_child_policies_are_applied(shared: Desk) -> None:
    shared.attach("one", kind="local", cpus=1)
    policy = WAITS.replace(
        "config = Run", "run.child_policy(on_failure='fail_parent')\nconfig = Run"
    )
    child = "import sys\nsys.exit(int(sys.argv[1]) == 1)\n"
    source = shared.source("strict", main=policy, child=child)
    root = shared.submit(source, target="one")
    details = root.wait_for_completion(raise_on_error=False, timeout=60)
    assert details["status"] == "Failed"
    assert "child policy is fail_parent" in details["error"]["error"]["message"]


@pytest.mark.parametrize("way", ["older", "newer"])
def test_docker_settings_on_a_target_of_plain_processes_are_warned_of(
    shared: Desk, way: str
) -> None:
    config = shared.config(shared.source("plain", main="print(1)"))
    if way == "older":
        config.run_config.environment.docker.enabled = True
    else:
        config.run_config.docker = DockerConfiguration(use_docker=True)
    run = shared.experiment.submit(config)
    details = run.wait_for_completion(timeout=60)
    assert details["status"] == "Completed"
    [warning] = details["warnings"]
    assert "target local is of kind local, which starts plain processes" in warning["message"]
