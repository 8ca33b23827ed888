"""Environments under a name and a version: from Python, from the command line, over HTTP."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dispatcher.client.errors import ServiceException, UserErrorException
from dispatcher.client.v1.environments.environment import Environment
from tests.acceptance.test_environments import packages
from tests.rigs.desk import Desk


def cli(desk: Desk, *words: str, code: int = 0) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "dispatcher.cli.main", *words],
        cwd=desk.folder,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stderr


def test_versions_count_up_and_one_that_is_unchanged_keeps_its_version(shared: Desk) -> None:
    workspace = shared.workspace
    made = packages("counted", "six==1.16.0")
    assert made.version is None
    assert [made.register(workspace).version for _ in range(2)] == ["1", "1"]
    made.environment_variables = {"A": "1"}
    assert made.register(workspace).version == "2"
    found = Environment.get(workspace, "counted")
    assert (found.version, found.environment_variables) == ("2", {"A": "1"})
    assert found.python.conda_dependencies == made.python.conda_dependencies
    first = Environment.get(workspace, "counted", version="1")
    assert first.environment_variables != {"A": "1"}
    assert Environment.get(workspace, "counted", label="Latest").version == "2"
    assert workspace.environments["counted"].version == "2"
    assert Environment.list(workspace)["counted"].version == "2"
    assert found.register(workspace).version == "2"


def test_all_that_an_environment_says_comes_back(shared: Desk) -> None:
    made = Environment("everything")
    made.python.user_managed_dependencies = True
    made.python.interpreter_path = sys.executable
    made.docker.base_dockerfile = "FROM a\nRUN b\n"
    made.docker.arguments = ["--shm-size", "1g"]
    made.environment_variables = {"MixedCase": "é"}
    found = made.register(shared.workspace)
    assert found.python.interpreter_path == sys.executable
    assert found.python.user_managed_dependencies is True
    assert found.docker.base_dockerfile == "FROM a\nRUN b\n"
    assert found.docker.arguments == ["--shm-size", "1g"]
    assert found.environment_variables == {"MixedCase": "é"}


def test_what_is_not_there_is_named(shared: Desk) -> None:
    workspace = shared.workspace
    with pytest.raises(UserErrorException, match=r"no environment 'AzureML-Minimal'.*Curated"):
        Environment.get(workspace, "AzureML-Minimal")
    packages("one").register(workspace)
    with pytest.raises(UserErrorException, match="'one' of version 9"):
        Environment.get(workspace, "one", version="9")
    with pytest.raises(UserErrorException, match="not both"):
        Environment.get(workspace, "one", version="1", label="Latest")
    with pytest.raises(UserErrorException, match="version: 'x'"):
        Environment.get(workspace, "one", version="x")
    with pytest.raises(UserErrorException, match="name: 'no/name'"):
        Environment("no/name").register(workspace)


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"name": "a"}, "definition"),
        ({"name": "", "definition": {}}, "name"),
        ({"name": "a", "definition": []}, "definition"),
        ({"name": "a", "definition": {}, "more": 1}, "more"),
        ({"name": "a", "definition": {"x": "y" * 1024 * 1024}}, "definition.*at most"),
    ],
)
def test_bad_input_is_refused_by_field(shared: Desk, body: dict[str, Any], named: str) -> None:
    with pytest.raises(ServiceException, match=named) as caught:
        shared.workspace.service.post("/environments", body)
    assert caught.value.status_code == 422


def test_the_command_line_lists_shows_registers_downloads_and_builds(
    shared: Desk, tmp_path: Path
) -> None:
    folder, copy = tmp_path / "env", tmp_path / "copy"
    cli(shared, "environment", "scaffold", "-n", "by-hand", "-d", str(folder))
    (folder / "conda_dependencies.yml").write_text("dependencies:\n- pip:\n  - six==1.16.0\n")
    told = json.loads(cli(shared, "environment", "register", "-d", str(folder), "-o", "json"))
    assert (told["name"], told["version"]) == ("by-hand", "1")
    names = json.loads(cli(shared, "environment", "list", "--query", "[].name", "-o", "json"))
    assert "by-hand" in names
    show = ("environment", "show", "-n", "by-hand", "-v", "1")
    pip = "python.condaDependencies.dependencies[0].pip[0]"
    assert json.loads(cli(shared, *show, "--query", pip, "-o", "json")) == "six==1.16.0"
    cli(shared, "environment", "download", "-n", "by-hand", "-d", str(copy))
    assert "six==1.16.0" in (copy / "conda_dependencies.yml").read_text()
    again = cli(shared, "environment", "download", "-n", "by-hand", "-d", str(copy), code=2)
    assert "overwrite" in again
    built = cli(shared, "environment", "build", "-n", "by-hand")
    assert "six==1.16.0" in built
    assert "The environment is ready." in built
    missing = cli(shared, "environment", "show", "-n", "nobody", code=2)
    assert "nobody" in missing


def test_an_environment_is_built_ahead_of_runs(
    shared: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    made = packages("ahead", "toolz")
    build = made.build(shared.workspace)
    assert build.wait_for_completion(show_output=False).status == "Succeeded"
    assert "toolz" in build.get_log()
    made.build_local(shared.workspace, useDocker=False)
    assert "RunId:" in capsys.readouterr().out
    with pytest.raises(UserErrorException, match="useDocker"):
        made.build_local(shared.workspace, useDocker=True)
