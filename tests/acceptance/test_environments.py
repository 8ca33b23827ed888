"""Environments are built once, on the node that needs them, and their logs are the run's."""

import os
import signal
import sys
from pathlib import Path

import pytest

from dispatcher.client.errors import ActivityFailedException
from dispatcher.client.v1.configs.parts import PyTorchConfiguration
from dispatcher.client.v1.environments.conda_dependencies import CondaDependencies
from dispatcher.client.v1.environments.environment import Environment
from tests.rigs import processes
from tests.rigs.desk import Desk
from tests.rigs.held import HeldPackage
from tests.rigs.waiting import until

LOG = "azureml-logs/20_image_build_log.txt"
WHERE = "import six, sys; print('six', six.__version__, 'by', sys.executable)"
# Where `make setup` puts uv.
TOOLS = Path(__file__).resolve().parents[2] / "build" / "tools" / "bin"


def packages(name: str, *pip: str, conda: tuple[str, ...] = ()) -> Environment:
    made = Environment(name)
    made.python.conda_dependencies = CondaDependencies.create(
        pip_packages=list(pip), conda_packages=list(conda)
    )
    return made


def logs(desk: Desk, run_id: str) -> dict[str, str]:
    found = desk.experiment.workspace.get_run(run_id).get_details_with_logs()["logFiles"]
    return dict(found)


def build_held(desk: Desk, target: str) -> None:
    """A run is Preparing until its environment is there, and then goes on."""
    held = HeldPackage(desk.root / "held")
    environment = packages("held", held.requirement)
    source = desk.source("held", main="import held")
    run = desk.submit(source, environment=environment, target=target)
    until(lambda: run.get_status() == "Preparing", "the run is being prepared", 60)
    held.let_go()
    run.wait_for_completion()


def test_packages_are_installed_before_the_script_and_the_second_run_finds_them(
    shared: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    source = shared.source("where", main=WHERE)
    first = shared.submit(source, environment=packages("six16", "six==1.16.0"))
    first.wait_for_completion()
    told = logs(shared, first.id)
    assert "six==1.16.0" in told[LOG]
    assert told["user_logs/std_log.txt"].startswith("six 1.16.0 by ")
    assert "/environments/" in told["user_logs/std_log.txt"]

    second = shared.submit(source, environment=packages("another name", "SIX == 1.16.0"))
    second.wait_for_completion(show_output=True)
    assert list(logs(shared, second.id)) == ["user_logs/std_log.txt"]
    assert "Streaming user_logs/std_log.txt" in capsys.readouterr().out


def test_a_run_whose_environment_is_being_built_is_preparing(shared: Desk) -> None:
    build_held(shared, "local")


def test_a_build_that_fails_fails_the_run_with_its_last_lines_and_is_not_tried_again(
    shared: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "no-such-package-at-all-6174"
    source = shared.source("where", main=WHERE)
    retries = {"user": 3, "infra": 3}
    run = shared.submit(source, environment=packages("bad", name), max_retries=retries)
    with pytest.raises(ActivityFailedException) as caught:
        run.wait_for_completion(show_output=True)
    view = shared.view(run.id)
    error = view["error"]["error"]
    assert (error["class"], error["code"]) == ("user", "EnvironmentBuildFailed")
    assert "the environment bad cannot be built" in error["message"]
    assert name in error["message"].split("Last lines of its log:")[1]
    assert name in str(caught.value)
    assert view["attempt"] == 1
    assert f"Streaming {LOG}" in capsys.readouterr().out
    assert name in logs(shared, run.id)[LOG]


def test_runs_that_need_it_at_once_wait_for_one_build(shared: Desk) -> None:
    source = shared.source("where", main=WHERE)
    needed = packages("six15", "six==1.15.0")
    runs = [shared.submit(source, environment=needed) for _ in range(3)]
    for run in runs:
        run.wait_for_completion()
    texts = [logs(shared, run.id).get(LOG, "") for run in runs]
    assert sum("Building environment" in text for text in texts) == 1
    assert all(
        "its log is that of run" in text for text in texts if "Building" not in text and text
    )


def test_conda_packages_are_installed_by_pip_where_there_is_no_conda_with_a_note_on_each(
    shared: Desk, tmp_path: Path
) -> None:
    file = tmp_path / "env.yml"
    file.write_text("name: x\ndependencies:\n- six=1.16\n- openssl\n- pip:\n  - toolz\n")
    environment = Environment.from_conda_specification("from-file", str(file))
    run = shared.submit(
        shared.source("both", main="import six, toolz; print(six.__version__)"),
        environment=environment,
    )
    run.wait_for_completion()
    told = logs(shared, run.id)
    assert "conda is not installed on this node" in told[LOG]
    assert "six=1.16: installed by pip as six==1.16.*" in told[LOG]
    assert "openssl: only conda offers it; left out" in told[LOG]


def test_a_python_that_is_not_there_is_named_with_the_way_out(shared: Desk) -> None:
    wanted = packages("old", "six")
    assert wanted.python.conda_dependencies is not None
    wanted.python.conda_dependencies.set_python_version("3.5")
    run = shared.submit(shared.source("where", main=WHERE), environment=wanted)
    with pytest.raises(ActivityFailedException, match=r"needs Python 3.5.*install it"):
        run.wait_for_completion()


def test_a_command_finds_the_environments_programs_first(shared: Desk) -> None:
    from dispatcher.client.v1.configs.run_configuration import RunConfiguration
    from dispatcher.client.v1.configs.script_run_config import ScriptRunConfig

    config = RunConfiguration()
    config.environment = packages("six16", "six==1.16.0")
    script = ScriptRunConfig(
        shared.source("where", main=WHERE), command=["python", "main.py"], run_config=config
    )
    run = shared.experiment.submit(script)
    run.wait_for_completion()
    assert "/environments/" in logs(shared, run.id)["user_logs/std_log.txt"]


def test_processes_of_a_distributed_run_and_forked_scripts_run_in_it(shared: Desk) -> None:
    source = shared.source(
        "ranks", main="import os, six; print(os.environ.get('RANK'), six.__version__)"
    )
    needed = packages("six16", "six==1.16.0")
    ranks = shared.submit(
        source,
        environment=needed,
        framework="PyTorch",
        pytorch=PyTorchConfiguration(process_count=2),
    )
    ranks.wait_for_completion()
    told = logs(shared, ranks.id)
    for rank in range(2):
        assert told[f"user_logs/std_log_process_{rank}.txt"] == f"{rank} 1.16.0\n"
    forked = shared.submit(source, environment=needed, start_method="fork")
    forked.wait_for_completion()
    assert logs(shared, forked.id)["user_logs/std_log.txt"] == "None 1.16.0\n"


def test_an_interpreter_of_the_users_own_is_used_as_it_is_and_nothing_is_built(
    shared: Desk,
) -> None:
    own = packages("own", "no-such-package-at-all-6174")
    own.python.user_managed_dependencies = True
    own.python.interpreter_path = sys.base_prefix + "/bin/python3"
    run = shared.submit(shared.source("who", main="import sys; print(sys.prefix)"), environment=own)
    run.wait_for_completion()
    assert logs(shared, run.id) == {"user_logs/std_log.txt": f"{sys.base_prefix}\n"}


def test_conda_makes_the_environment_where_it_is_installed(conda: Path, own: Desk) -> None:
    assert conda.is_file()
    made = packages("by-conda", "six==1.16.0", conda=("openssl", "numpy=1.21"))
    assert made.python.conda_dependencies is not None
    made.python.conda_dependencies.set_python_version("3.11")
    run = own.submit(own.source("who", main="import sys; print(sys.prefix)"), environment=made)
    run.wait_for_completion(timeout=60)
    told = logs(own, run.id)
    asked = "['python=3.11', 'numpy=1.21', 'openssl', 'pip', {'pip': ['six==1.16.0']}]"
    assert f"dependencies {asked}" in told[LOG]
    assert "channels ['anaconda', 'conda-forge']" in told[LOG]
    assert "/environments/" in told["user_logs/std_log.txt"]


def test_a_dockerfile_needs_a_target_that_runs_containers(shared: Desk) -> None:
    run = shared.submit(
        shared.source("where", main=WHERE), environment=Environment.from_dockerfile("f", "FROM a")
    )
    with pytest.raises(ActivityFailedException, match="submit to a Docker target"):
        run.wait_for_completion()


def test_a_run_is_canceled_while_its_environment_is_being_built_and_the_build_ends(
    slow_index: str, own: Desk
) -> None:
    needed = packages("slow", "six==1.14.0")
    run = own.submit(own.source("where", main=WHERE), environment=needed)
    until(lambda: run.get_status() == "Preparing", "it prepares")
    until(lambda: any("pip" in p.command for p in installers(own)), "the installer runs")
    run.cancel()
    until(lambda: run.get_status() == "Canceled", "it is canceled")
    until(lambda: not installers(own), "the installer is gone")


def test_agent_and_service_killed_in_the_middle_of_a_build_build_again_and_use_no_half(
    slow_index: str, own: Desk
) -> None:
    needed = packages("slow", "six==1.14.0")
    run = own.submit(own.source("where", main=WHERE), environment=needed)
    until(lambda: installers(own), "the installer runs")
    for process in own.members():
        if "dispatcher.agent" in process.command and "serve" in process.command:
            os.kill(process.pid, signal.SIGKILL)
    own.kill_service()
    for process in installers(own):
        os.kill(process.pid, signal.SIGKILL)
    assert own.experiment.workspace.get_run(run.id).get_status() != "Running"
    Path(slow_index).unlink()
    run.wait_for_completion(timeout=60)
    told = logs(own, run.id)
    assert told[LOG].count("Building environment slow") == 2
    assert told["user_logs/std_log.txt"].startswith("six 1.14.0 by ")


def installers(desk: Desk) -> list[processes.Process]:
    """The processes of builds, which know of no desk but by their folders."""
    place = str(desk.data / "nodes")
    seen = [p for p in processes.processes() if not p.is_zombie]
    return [p for p in seen if _folder(p.pid).startswith(f"{place}/local/environments/")]


def _folder(pid: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/cwd")
    except OSError:
        return ""


@pytest.fixture
def slow_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Installers wait for as long as the file of that name is there."""
    gate, programs = tmp_path / "gate", tmp_path / "bin"
    gate.touch()
    programs.mkdir()
    from dispatcher.agent.builds.builder import find_uv

    uv = find_uv({**os.environ, "PATH": f"{os.environ['PATH']}:{TOOLS}"})
    assert uv is not None, "make setup"
    program = programs / "uv"
    program.write_text(
        f'#!/bin/sh\n[ "$1" = pip ] && while [ -e {gate} ]; do sleep 0.05; done\nexec {uv} "$@"\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    return str(gate)


@pytest.fixture
def conda(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that takes conda's command, says what it is asked for, and makes a Python.

    conda itself cannot be had from a package index.
    """
    program = tmp_path / "conda"
    program.write_text(
        f"#!{sys.executable}\n"
        "import json, subprocess, sys\n"
        "words = sys.argv[1:]\n"
        "assert words[:3] == ['env', 'create', '--yes'], words\n"
        "prefix, file = words[words.index('--prefix') + 1], words[words.index('--file') + 1]\n"
        "told = json.load(open(file))\n"
        "print('channels', told['channels'], 'dependencies', told['dependencies'])\n"
        "subprocess.check_call([sys.executable, '-m', 'venv', '--without-pip', prefix])\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("CONDA_EXE", str(program))
    return program
