"""A run on the submitter's machine inherits what its submitter has now, not what another shell had
that happened to start the service.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.rigs.desk import Desk
from tests.rigs.waiting import until

TELLS = """
import json, os, sys
print(json.dumps({
    "environ": dict(os.environ),
    "cpus": sorted(os.sched_getaffinity(0)),
    "nice": os.getpriority(os.PRIO_PROCESS, 0),
    "umask": os.umask(0),
    "python": sys.executable,
    "prefix": sys.prefix,
    "signals": [line.split() for line in open("/proc/self/status") if line.startswith("SigBlk")],
    "ignored": os.popen("grep SigIgn /proc/self/status").read().split(),
    "input": sys.stdin.read(),
}))
"""
SUBMITS = """
import sys
from dispatcher import Experiment, RunConfiguration, ScriptRunConfig, Workspace
config = RunConfiguration()
config.start_method = sys.argv[2]
config.environment_variables = {"OWN": "of the run"}
run = Experiment(Workspace.from_config(), "inherits").submit(
    ScriptRunConfig(sys.argv[1], script="main.py", run_config=config)
)
run.wait_for_completion()
print(run.id)
"""


def told(
    desk: Desk, environ: Mapping[str, str], *prefix: str, start: str = "auto", python: str = ""
) -> dict[str, Any]:
    """What a run says that a process with these variables submits."""
    source = desk.source("tells", main=TELLS)
    base = {"PATH": os.environ["PATH"], "DISPATCHER_HOME": os.environ["DISPATCHER_HOME"]}
    done = subprocess.run(
        [*prefix, python or sys.executable, "-c", SUBMITS, source, start],
        env={**base, **environ},
        cwd=desk.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    run = desk.workspace.get_run(done.stdout.split()[-1])
    (log,) = run.get_all_logs(destination=str(desk.root / run.id))
    answer: dict[str, Any] = json.loads(Path(log).read_text())
    return answer


@pytest.mark.parametrize("start", ["auto", "fresh", "fork"])
def test_variables_are_those_of_the_shell_that_submits(shared: Desk, start: str) -> None:
    first = told(shared, {"FOO": "1", "CUDA_VISIBLE_DEVICES": "1", "LANG": "C"}, start=start)
    second = told(shared, {"FOO": "2", "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "7"}, start=start)

    assert first["environ"]["FOO"] == "1"
    assert first["environ"]["CUDA_VISIBLE_DEVICES"] == "1"
    environ = second["environ"]
    assert (environ["FOO"], environ["LC_ALL"], environ["PYTHONHASHSEED"]) == ("2", "C.UTF-8", "7")
    assert "CUDA_VISIBLE_DEVICES" not in environ
    assert "LANG" not in environ
    assert environ["OWN"] == "of the run"


def test_values_that_are_no_utf8_arrive_as_they_are(shared: Desk) -> None:
    value = os.fsdecode(b"caf\xe9")

    assert told(shared, {"PLACE": value})["environ"]["PLACE"] == value


def test_values_with_newlines_and_functions_of_bash_arrive_as_they_are(shared: Desk) -> None:
    values = {"TEXT": "a\nb\r\n", "EMPTY": "", "a.b-c": "d=e", "BASH_FUNC_f%%": "() {  echo f\n}"}
    environ = told(shared, values)["environ"]

    assert {name: environ[name] for name in values} == values


@pytest.mark.parametrize("start", ["fresh", "auto"])
def test_a_run_has_default_signals_and_no_input_whatever_its_submitter_ignores(
    shared: Desk, start: str
) -> None:
    ignores = ("sh", "-c", 'trap "" INT QUIT TERM HUP; exec "$0" "$@" <&-')
    answer = told(shared, {}, *ignores, start=start)

    assert answer["signals"] == [["SigBlk:", "0" * 16]]
    assert int(answer["ignored"][1], 16) & 0x7FFFFFFF == 0  # those above are of the C library
    assert answer["input"] == ""


USES_A_RUN = """
from azureml.core import Run
run = Run.get_context()
run.log("m", 1)
run.tag("t", "x")
run.upload_file("kept", "main.py")
"""


@pytest.mark.parametrize(
    ("name", "value"),
    [("WARNINGS", "error"), ("OPTIMIZE", "2"), ("DEVMODE", "1"), ("PYCACHEPREFIX", "/proc/no")],
)
def test_a_run_logs_under_each_variable_of_python(
    shared: Desk, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"PYTHON{name}", value)
    run = shared.submit(shared.source("variables", main=USES_A_RUN))
    run.wait_for_completion()
    logs = run.get_all_logs(destination=str(shared.root / run.id))

    assert run.get_metrics() == {"m": 1}
    assert run.get_tags()["t"] == "x"
    assert "kept" in run.get_file_names()
    assert "".join(Path(log).read_text() for log in logs) == ""  # no warning of ours, either


def test_cpus_niceness_and_umask_are_the_submitters(shared: Desk) -> None:
    plain = told(shared, {})
    bound = told(
        shared, {}, "taskset", "-c", "0", "nice", "-n", "7", "sh", "-c", 'umask 027; "$0" "$@"'
    )
    again = told(shared, {})

    assert (bound["cpus"], bound["nice"], bound["umask"]) == ([0], 7, 0o027)
    assert plain["cpus"] == again["cpus"] == sorted(os.sched_getaffinity(0))
    assert plain["nice"] == again["nice"] == os.getpriority(os.PRIO_PROCESS, 0)


def test_the_interpreter_is_that_of_the_submitters_virtual_environment(
    shared: Desk, tmp_path: Path
) -> None:
    import dispatcher

    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    python = str(tmp_path / "venv" / "bin" / "python")
    code = str(Path(dispatcher.__file__).parents[1])
    answer = told(shared, {"PYTHONPATH": code}, python=python)

    assert (answer["python"], answer["prefix"]) == (python, str(tmp_path / "venv"))
    assert answer["environ"]["PATH"].split(":")[0] == str(tmp_path / "venv" / "bin")


def test_the_values_stand_in_no_database_and_no_view(
    shared: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = f"canary-{os.urandom(8).hex()}"
    monkeypatch.setenv("API_KEY", secret)
    script = (
        "import os\nfrom azureml.core import Run\n"
        "Run.get_context().log('length', len(os.environ['API_KEY']))"
    )
    run = shared.submit(shared.source("secret", main=script))
    run.wait_for_completion()

    assert run.get_metrics() == {"length": len(secret)}
    databases = list(shared.data.glob("dispatcher.db*"))
    assert databases
    assert not [file for file in databases if secret.encode() in file.read_bytes()]
    assert secret not in json.dumps([run.get_details(), shared.view(run.id)], default=str)
    for file in (shared.data / "inheritances").iterdir():
        assert file.stat().st_mode & 0o077 == 0


def test_a_child_inherits_what_its_parent_has_inherited(
    shared: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = """
import os, sys
from azureml.core import Run, ScriptRunConfig
run = Run.get_context()
if "child" in sys.argv:
    run.parent.log("child", os.environ["FOO"])
else:
    config = ScriptRunConfig(".", script="main.py", arguments=["child"])
    run.submit_child(config).wait_for_completion()
"""
    monkeypatch.setenv("FOO", "of the desk")
    run = shared.submit(shared.source("parent", main=script))
    monkeypatch.delenv("FOO")
    run.wait_for_completion()

    assert run.get_metrics() == {"child": "of the desk"}


def test_no_agent_outlives_the_service(own: Desk) -> None:
    from tests.rigs.processes import running

    own.submit(own.source("one", main="print(1)")).wait_for_completion()
    assert running("dispatcher.agent serve", str(own.data / "nodes" / "local"))
    subprocess.run(
        [sys.executable, "-m", "dispatcher.cli.main", "server", "stop"],
        cwd=own.folder, check=True, capture_output=True,
    )  # fmt: skip

    until(lambda: not own.members(), "service and agents have ended")


def test_a_job_goes_on_while_the_service_is_stopped_and_its_end_is_found(own: Desk) -> None:
    script = """
import time, pathlib, sys
while not pathlib.Path(sys.argv[1]).exists():
    time.sleep(0.02)
print("it went on")
"""
    gate = own.root / "gate"
    run = own.submit(own.source("waits", main=script), str(gate))
    until(lambda: own.view(run.id)["status"] == "Running", "it runs")
    subprocess.run(
        [sys.executable, "-m", "dispatcher.cli.main", "server", "stop"],
        cwd=own.folder, check=True, capture_output=True,
    )  # fmt: skip
    gate.touch()
    run.wait_for_completion()

    assert run.get_status() == "Completed"
    (log,) = run.get_all_logs(destination=str(own.root / "logs"))
    assert Path(log).read_text() == "it went on\n"
