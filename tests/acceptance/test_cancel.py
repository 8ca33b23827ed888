"""A cancel leaves nothing alive, and gives the grace that it promises."""

import time
from pathlib import Path

import pytest

from tests.rigs import processes
from tests.rigs.desk import Desk
from tests.rigs.waiting import until

STUBBORN = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
def note(pid):
    open(sys.argv[1] + "/" + str(pid), "w").close()
note(os.getpid())
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        note(os.getpid())
        sleep = [sys.executable, "-c", "import time; time.sleep(300)"]
        note(subprocess.Popen(sleep, start_new_session=True).pid)
        time.sleep(300)
    os._exit(0)
time.sleep(300)
"""
SAVES = """
import signal, sys, time
def save(*_):
    time.sleep(3)
    open(sys.argv[1], "w").write("checkpoint")
    sys.exit(0)
signal.signal(signal.SIGTERM, save)
open(sys.argv[2], "w").write("ready")
time.sleep(300)
"""


@pytest.mark.parametrize("method", ["fresh", "fork"])
def test_a_script_that_ignores_sigterm_double_forks_and_calls_setsid_is_gone_after_a_cancel(
    shared: Desk, tmp_path: Path, method: str
) -> None:
    run = shared.submit(
        shared.source("stubborn", main=STUBBORN), tmp_path, grace_seconds=1, start_method=method
    )
    until(lambda: len(list(tmp_path.iterdir())) == 3, "the family is there")
    family = [int(path.name) for path in tmp_path.iterdir()]
    assert all(map(processes.alive, family))
    run.cancel()
    run.wait_for_completion(timeout=30)
    assert run.get_status() == "Canceled"
    assert not any(map(processes.alive, family))
    [attempt] = shared.attempts(run.id)
    signals = {entry["signal"] for entry in attempt["evidence"]["receipt"]}
    assert signals >= {15, 9}


def test_a_script_that_needs_3_s_to_save_its_checkpoint_gets_it_saved(
    shared: Desk, tmp_path: Path
) -> None:
    saved, ready = tmp_path / "saved", tmp_path / "ready"
    source = shared.source("saves", main=SAVES)
    run = shared.submit(source, saved, ready, grace_seconds=10)
    until(ready.exists, "the script is ready")
    run.cancel()
    run.wait_for_completion(timeout=30)
    assert run.get_status() == "Canceled"
    assert saved.read_text() == "checkpoint"


def test_a_cancel_of_a_queued_run_is_at_once_and_it_never_starts(
    shared: Desk, tmp_path: Path
) -> None:
    shared.attach("one", kind="local", cpus=1)
    effect = tmp_path / "effect"
    source = shared.source("effects", main="import sys\nopen(sys.argv[1], 'w')\n")
    sleeper = shared.source("sleeper", main="import time\ntime.sleep(300)\n")
    first = shared.submit(sleeper, target="one")
    until(lambda: first.get_status() == "Running", "the first one runs")
    second = shared.submit(source, effect, target="one")
    second.cancel()
    assert second.get_status() == "Canceled"
    first.cancel()
    first.wait_for_completion(timeout=30)
    third = shared.submit(source, tmp_path / "third", target="one")
    third.wait_for_completion(timeout=30)
    assert not effect.exists()


FAMILY = """
import sys, time
from dispatcher import Run, RunConfiguration, ScriptRunConfig
run = Run.get_context()
config = RunConfiguration()
config.target = "two"
run.submit_children([ScriptRunConfig(".", "child.py", [sys.argv[1], k], config) for k in range(20)])
time.sleep(300)
"""
CHILD = """
import os, sys, time
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
os.write(fd, f"{sys.argv[2]} {time.time()}\\n".encode())
time.sleep(300)
"""


def test_none_of_a_tree_starts_after_its_cancel_was_acknowledged(
    shared: Desk, tmp_path: Path
) -> None:
    shared.attach("two", kind="local", cpus=2)
    effects = tmp_path / "effects"
    source = shared.source("family", main=FAMILY, child=CHILD)
    parent = shared.submit(source, effects, target="local")
    until(lambda: effects.exists() and len(effects.read_text().splitlines()) == 2, "two run")
    parent.cancel()
    acknowledged = time.time()
    parent.wait_for_completion(timeout=30)
    for child in parent.get_children():
        child.wait_for_completion(timeout=30)
        assert child.get_status() == "Canceled"
    started = [float(line.split()[1]) for line in effects.read_text().splitlines()]
    assert all(moment < acknowledged for moment in started)


SHORT_FAMILY = """
import sys, time
from dispatcher import Run, RunConfiguration, ScriptRunConfig
run = Run.get_context()
config = RunConfiguration()
config.target, config.start_method = "two", "fork"
of = [ScriptRunConfig(".", "child.py", [sys.argv[1], k], config) for k in range(400)]
run.submit_children(of)
time.sleep(300)
"""
SHORT_CHILD = """
import os, sys, time
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
os.write(fd, f"{sys.argv[2]} {time.time()}\\n".encode())
"""


@pytest.mark.parametrize("after", [10, 30, 60])
def test_none_that_was_sent_ahead_starts_after_the_cancel_was_acknowledged(
    shared: Desk, tmp_path: Path, after: int
) -> None:
    shared.attach("two", kind="local", cpus=2)
    effects = tmp_path / "effects"
    source = shared.source("short", main=SHORT_FAMILY, child=SHORT_CHILD)
    parent = shared.submit(source, effects, target="local")
    until(lambda: effects.exists() and len(effects.read_text().splitlines()) >= after, "they run")
    parent.cancel()
    acknowledged = time.time()
    statuses = parent.wait_for_children(timeout=30)
    # Those whose end is not recorded yet are canceled, although they have come to it.
    assert {"Canceled"} <= set(statuses.values()) <= {"Completed", "Canceled"}
    started = [float(line.split()[1]) for line in effects.read_text().splitlines()]
    assert after <= len(started) < 400
    assert all(moment < acknowledged for moment in started)
