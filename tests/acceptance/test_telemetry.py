"""Nothing logged is lost or doubled, whoever is killed or away; a flood of output hurts nobody."""

import os
import random
import signal
import statistics
import threading
import time
from functools import partial
from pathlib import Path

import pytest

from tests.rigs import processes
from tests.rigs.desk import Desk
from tests.rigs.waiting import until

COUNTS = """
import os, sys, time
from dispatcher import Run
run = Run.get_context()
told = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
for k in range(int(sys.argv[2])):
    run.log("k", k)
    os.write(told, b".")
    if k % 50 == 49:
        time.sleep(0.005)
    elif k == 0:
        os.write(told, b"%d\\n" % os.getpid())
"""


def first_line(told: Path) -> str:
    """The process id that follows the first dot; empty until it is there."""
    return told.read_text()[1:].partition("\n")[0] if told.exists() else ""


def points(desk: Desk, run_id: str) -> list[int]:
    logged = desk.workspace.get_run(run_id).get_metrics("k").get("k", [])
    return logged if isinstance(logged, list) else [logged]


@pytest.mark.parametrize("method", ["fresh", "fork"])
def test_a_sigkill_of_the_script_loses_no_point_logged_before(
    shared: Desk, tmp_path: Path, method: str
) -> None:
    source = shared.source("counts", main=COUNTS)
    for k in range(5):
        told = tmp_path / f"told{k}"
        run = shared.submit(source, told, 10**6, start_method=method)
        pid = int(until(partial(first_line, told), "its id"))
        time.sleep(random.uniform(0, 0.3))
        os.kill(pid, signal.SIGKILL)
        run.wait_for_completion(raise_on_error=False, timeout=30)
        assert run.get_status() == "Failed"
        written = told.read_text().count(".")
        logged = points(shared, run.id)
        assert logged == list(range(len(logged)))
        assert written <= len(logged) <= written + 1


def away(own: Desk, tmp_path: Path, seconds: float) -> None:
    """The service is killed while a run logs, and comes back after so many seconds."""
    count = int((seconds + 2) * 3000)
    told = tmp_path / "told"
    run = own.submit(own.source("counts", main=COUNTS), told, count)
    until(lambda: told.exists() and told.stat().st_size > 1000, "it logs")
    own.kill_service()
    time.sleep(seconds)
    run.wait_for_completion(timeout=seconds + 120)  # the client starts the service again
    assert points(own, run.id) == list(range(count))
    assert [a["attempt"] for a in own.attempts(run.id)] == [1]


def test_with_the_service_away_for_2_s_there_is_no_gap_and_no_duplicate(
    own: Desk, tmp_path: Path
) -> None:
    away(own, tmp_path, 2)


@pytest.mark.slow
def test_with_the_service_away_for_60_s_there_is_no_gap_and_no_duplicate(
    own: Desk, tmp_path: Path
) -> None:
    away(own, tmp_path, 60)


def test_output_is_there_live_and_whole_whatever_bytes_it_has(own: Desk) -> None:
    script = (
        "import sys, time\n"
        "sys.stdout.buffer.write(bytes(range(256)) * 4); sys.stdout.flush()\n"
        "print('\\x1b[31mred\\x1b[0m \\r progress', flush=True)\n"
        "print('to stderr', file=sys.stderr)\n"
        "time.sleep(60)\n"
    )
    run = own.submit(own.source("bytes", main=script))
    service, path = own.workspace.service, "/logs/user_logs/std_log.txt"
    expected = bytes(range(256)) * 4 + b"\x1b[31mred\x1b[0m \r progress\nto stderr\n"

    def seen() -> bool:
        return service.send("GET", f"/runs/{run.id}{path}").body == expected

    until(seen, "the log is there while the run goes on", timeout=15)
    run.cancel()
    run.wait_for_completion(timeout=30)
    assert seen()


FLOOD = """
line = b"x" * 1023 + b"\\n"
import sys
for _ in range(int(sys.argv[1]) * 1024):
    sys.stdout.buffer.write(line)
print("the end")
"""


def flood(own: Desk, megabytes: int) -> None:
    """Output without end: memory stays bounded, others are served, the stated rule is applied."""
    peak, calls, over = [0], list[float](), threading.Event()

    def watch() -> None:
        pid = own.pid()
        while not over.wait(0.05):
            status = Path(f"/proc/{pid}/status").read_text()
            rss = next(x for x in status.splitlines() if x.startswith("VmRSS")).split()[1]
            peak[0] = max(peak[0], int(rss) // 1024)
            started = time.perf_counter()
            own.workspace.service.get("/health")
            calls.append(time.perf_counter() - started)

    run = own.submit(own.source("flood", main=FLOOD), megabytes)
    watcher = threading.Thread(target=watch)
    watcher.start()
    run.wait_for_completion(timeout=240)
    over.set()
    watcher.join()
    print(
        f"{megabytes} MB: peak {peak[0]} MB, call p99 {sorted(calls)[-1 - len(calls) // 100]:.3f} s"
    )
    assert peak[0] < 300
    assert statistics.median(calls) < 0.1
    service = own.workspace.service
    [log] = service.get(f"/runs/{run.id}/logs")["logs"]
    tail = service.send(
        "GET", f"/runs/{run.id}/logs/{log['name']}", query=[("offset", log["size"] - 70_000)]
    ).body
    assert tail.endswith(b"the end\n")
    if megabytes > 100:
        assert b"[dispatcher: log truncated: " in tail
        assert log["size"] < 101 << 20
    else:
        assert log["size"] == (megabytes << 20) + len("the end\n")


def test_20_mb_of_output_are_kept_whole(own: Desk) -> None:
    flood(own, 20)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_1_gb_of_output_is_cut_by_the_stated_rule_and_hurts_nobody(own: Desk) -> None:
    flood(own, 1024)


@pytest.mark.parametrize("method", ["fresh", "fork"])
def test_a_shim_that_is_killed_is_noticed_within_a_second_and_the_run_is_tried_once_more(
    own: Desk, tmp_path: Path, method: str
) -> None:
    script = (
        "import os, sys, time\n"
        "open(sys.argv[1] + '/' + os.environ['DISPATCHER_JOB'], 'w').write(str(os.getpid()))\n"
        "time.sleep(60 if os.environ['DISPATCHER_ATTEMPT'] == '1' else 0)\n"
    )
    run = own.submit(own.source("shim", main=script), tmp_path, start_method=method)
    first = tmp_path / f"{run.id}-1"
    pid = int(until(lambda: first.exists() and first.read_text(), "the first attempt runs"))
    shim = processes.look(pid)
    assert shim is not None
    killed = time.time()
    os.kill(shim.parent, signal.SIGKILL)
    run.wait_for_completion(timeout=30)
    assert run.get_status() == "Completed"
    lost, done = own.attempts(run.id)
    assert lost["evidence"]["reason"] == "supervisor lost"
    assert (lost["attempt"], done["attempt"]) == (1, 2)
    print(f"noticed after {lost['evidence']['ended_at'] - killed:.2f} s")
    assert not processes.alive(pid)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{run.id}-1", f"{run.id}-2"]
