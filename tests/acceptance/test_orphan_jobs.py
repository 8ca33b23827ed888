"""A database that is put back to an earlier state: what was started since is told of, and goes on
until somebody says otherwise.
"""

import json
import shutil
from pathlib import Path

from dispatcher.cli import main
from dispatcher.cli.exits import Exit
from tests.rigs.desk import Desk
from tests.rigs.terminal import Answer, command
from tests.rigs.waiting import until

SCRIPT = """
import os, sys, time
with open(sys.argv[1], "w") as file:
    file.write(str(os.getpid()))
time.sleep(600)
"""


def _cli(*words: str) -> Answer:
    return command(main.program(), *words, "-w", "desk")


def _put_back(own: Desk, backup: Path) -> None:
    own.kill_service()
    for file in own.data.glob("dispatcher.db*"):
        file.unlink()
    for file in backup.iterdir():
        shutil.copy(file, own.data)


def test_what_runs_and_is_not_in_the_database_is_shown_and_can_be_ended(
    own: Desk, tmp_path: Path
) -> None:
    backup, pid_file = tmp_path / "backup", tmp_path / "pid"
    backup.mkdir()
    own.attach("box", kind="local", cpus=2)
    own.kill_service()
    for file in own.data.glob("dispatcher.db*"):
        shutil.copy(file, backup)
    source = own.source("lost", main=SCRIPT)
    run = own.submit(source, pid_file, target="box")
    until(lambda: pid_file.exists() and pid_file.read_text(), "it runs", 60)
    _put_back(own, backup)

    pinged = _cli("computetarget", "ping", "box", "-o", "json").json()
    assert pinged["orphan_jobs"] == {f"{run.id}-1": "alive"}
    checked = _cli("doctor", "-o", "json")
    assert checked.code == Exit.FAILED
    checks = {each["check"]: each for each in json.loads(checked.out)}
    orphan = checks["target box: orphan jobs"]
    assert f"{run.id}-1" in orphan["result"]
    assert orphan["fix"] == "to end them: dispatcher computetarget clear box"
    process = Path("/proc", pid_file.read_text(), "exe")
    assert process.exists()

    cleared = _cli("computetarget", "clear", "box", "-o", "json")
    assert cleared.json() == [{"job": f"{run.id}-1", "state": "alive"}]
    assert "being ended: 1" in cleared.err
    until(lambda: not process.exists(), "it is ended", 30)
    until(lambda: not _shown("box")["orphan_jobs"], "nothing of it is left", 60)
    assert not (own.data / "nodes" / "box" / "jobs" / f"{run.id}-1").exists()
    assert "no orphan jobs" in _cli("computetarget", "clear", "box").err
    assert _cli("doctor").code == Exit.OK


def _shown(target: str) -> dict[str, object]:
    found: dict[str, object] = _cli("computetarget", "show", target, "-o", "json").json()
    return found
