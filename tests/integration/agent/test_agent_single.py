"""One job as the main process of a container: `python -m dispatcher.agent run`."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from dispatcher.agent.origin import PRIVATE_PACKAGE
from dispatcher.agent.runtime import build_zip
from tests.integration.agent.fake_service import FakeService
from tests.integration.agent.rig import job
from tests.rigs.waiting import until


def start(root: Path, one: dict[str, Any], **options: Any) -> "subprocess.Popen[bytes]":
    root.mkdir(exist_ok=True)
    (root / "job.json").write_text(json.dumps(one))
    line = [sys.executable, "-m", "dispatcher.agent", "run"]
    return subprocess.Popen([*line, "--root", root, "--job", root / "job.json"], **options)


def record(root: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((root / "jobs" / name / "exit.json").read_text())
    return found


@pytest.mark.parametrize(
    ("command", "code"),
    [("exit 0", 0), ("exit 3", 3), ("kill -9 $$", 137), ("kill -15 $$", 143), (None, 127)],
)
def test_it_exits_as_its_script_does(tmp_path: Path, command: str | None, code: int) -> None:
    assert start(tmp_path, job("one-1", command=command)).wait(20) == code
    assert "reason" in record(tmp_path, "one-1")


def test_started_again_it_does_nothing(tmp_path: Path) -> None:
    one = job("again-1", command=f"echo x >> {tmp_path}/effects")
    assert start(tmp_path, one).wait(20) == 0
    assert start(tmp_path, one).wait(20) == 125
    assert (tmp_path / "effects").read_text() == "x\n"


def test_sigterm_ends_the_job_with_its_grace(tmp_path: Path) -> None:
    script = tmp_path / "save.py"
    script.write_text(
        "import signal, sys, time\n"
        "def end(*_):\n    time.sleep(0.5); print('saved'); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, end); print('ready'); time.sleep(99)\n"
    )
    process = start(tmp_path, job("term-1", script=str(script), grace=5))
    log = tmp_path / "jobs/term-1/std_log.txt"
    until(lambda: log.exists() and "ready" in log.read_text(), "it is ready")
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    told = record(tmp_path, "term-1")
    assert (told["reason"], told["exit_code"], told["tail"]) == ("stopped", 0, "ready\nsaved\n")


def test_it_fetches_and_ships_by_itself(tmp_path: Path, service: FakeService) -> None:
    snapshot = service.add_snapshot({"main.py": b"print('hello')"})
    tmp_path.joinpath("service.json").write_text(json.dumps({"service": service.address}))
    process = start(tmp_path, job("ship-1", script="main.py", snapshot=snapshot))
    assert process.wait(20) == 0
    assert service.log("ship") == b"hello\n"


def test_it_waits_for_a_service_that_is_away_but_not_when_stopped(
    tmp_path: Path, service: FakeService
) -> None:
    tmp_path.joinpath("service.json").write_text(json.dumps({"service": service.address}))
    service.is_away = True
    process = start(tmp_path, job("wait-1", command="echo x"))
    until((tmp_path / "jobs/wait-1/exit.json").exists, "it has ended")
    time.sleep(0.5)
    assert process.poll() is None
    service.is_away = False
    assert process.wait(10) == 0
    assert service.log("wait") == b"x\n"


def test_a_snapshot_that_is_not_to_be_had(tmp_path: Path, service: FakeService) -> None:
    tmp_path.joinpath("service.json").write_text(json.dumps({"service": service.address}))
    process = start(tmp_path, job("none-1", script="main.py", snapshot="0" * 64))
    assert process.wait(20) == 127
    assert "no such" in record(tmp_path, "none-1")["reason"]


def test_it_runs_from_a_zip(tmp_path: Path) -> None:
    (tmp_path / "runtime.zip").write_bytes(build_zip())
    (tmp_path / "main.py").write_text("import dispatcher.client; print(dispatcher.__file__)")
    one = job("zip-1", script=str(tmp_path / "main.py"))
    process = start(
        tmp_path / "root", one, env={"PYTHONPATH": str(tmp_path / "runtime.zip")}, cwd=tmp_path
    )
    assert process.wait(20) == 0
    tail = record(tmp_path / "root", "zip-1")["tail"]
    assert tail == f"{tmp_path}/runtime.zip/{PRIVATE_PACKAGE}/__init__.py\n"
