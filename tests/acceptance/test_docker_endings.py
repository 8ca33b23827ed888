"""Every end gets the right verdict on Docker, cold and warm, through the whole service."""

import pytest

from dispatcher.client.v1.runs.run import Run
from dispatcher.core.runs.jobs import Evidence
from dispatcher.core.runs.verdicts import judge
from tests.acceptance.endings import ENDINGS, Ending
from tests.acceptance.test_cancel import STUBBORN
from tests.acceptance.verdicts import check_ending
from tests.rigs import processes
from tests.rigs.desk import Desk
from tests.rigs.dockerd import Dockerd
from tests.rigs.waiting import until


@pytest.mark.parametrize("target", ["cold", "warm"])
@pytest.mark.parametrize("ending", ENDINGS, ids=lambda ending: ending.name)
def test_an_end_gets_the_right_verdict(docked: Desk, ending: Ending, target: str) -> None:
    check_ending(docked, ending, target)


def test_a_run_that_needs_more_memory_than_it_was_given_is_out_of_memory(docked: Desk) -> None:
    source = docked.source("oom", main="b = []\nwhile 1: b.append(bytearray(8 << 20))\n")

    run = docked.submit(source, target="cold", memory_mb=64)
    details = run.wait_for_completion(raise_on_error=False, timeout=60)

    assert details["status"] == "Failed"
    assert "out of memory" in details["error"]["error"]["message"]
    assert len(docked.attempts(run.id)) == 1


def text(run: Run) -> str:
    return "".join(run.get_details_with_logs()["logFiles"].values())


def test_after_a_cancel_nothing_of_a_stubborn_script_is_alive(docked: Desk) -> None:
    told = "import time\n" + STUBBORN.replace(
        "sleep = [", "print('family', flush=True)\n        sleep = ["
    ).replace('open(sys.argv[1] + "/" + str(pid), "w").close()', "print(pid, flush=True)")
    run = docked.submit(docked.source("stubborn", main=told), target="cold", grace_seconds=1)
    until(lambda: "family" in text(run), "the family is there", timeout=60)
    family = f"DISPATCHER_JOB={run.id}-1"
    until(lambda: len(processes.marked(family)) >= 3, "all of it is seen from here")

    run.cancel()
    run.wait_for_completion(timeout=60)

    assert run.get_status() == "Canceled"
    assert not processes.marked(family)
    [attempt] = docked.attempts(run.id)
    assert {entry["signal"] for entry in attempt["evidence"]["receipt"]} >= {15, 9}


AGAIN = """
import os, time
print("attempt", os.environ["DISPATCHER_ATTEMPT"], flush=True)
if os.environ["DISPATCHER_ATTEMPT"] == "1":
    time.sleep(300)
"""


@pytest.mark.parametrize("target", ["cold", "warm"])
def test_a_container_removed_by_hand_is_nobodys_fault_and_the_run_is_tried_again(
    docked: Desk, dockerd: Dockerd, target: str
) -> None:
    run = docked.submit(docked.source("again", main=AGAIN), target=target)
    until(lambda: "attempt 1" in text(run), "the first attempt runs", timeout=60)
    name = f"{run.id}-1" if target == "cold" else "warm-"
    for container in dockerd.client.containers.list(ignore_removed=True, filters={"name": name}):
        container.remove(force=True)

    run.wait_for_completion(timeout=60)

    first, second = docked.attempts(run.id)
    assert judge(Evidence.of(first["evidence"])).cls == "infra"
    assert (second["attempt"], second["evidence"]["exit_code"]) == (2, 0)
    assert run.get_status() == "Completed"
