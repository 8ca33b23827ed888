"""A shell whose current folder was deleted, or deleted and made anew."""

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dispatcher.cli.main import program
from dispatcher.client.api.snapshots import git
from dispatcher.client.errors import UserErrorException
from dispatcher.client.v1.configs.script_run_config import ScriptRunConfig
from dispatcher.client.v1.workspaces.workspace import Workspace


@pytest.fixture
def deleted_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "deleted"
    folder.mkdir()
    monkeypatch.setenv("DISPATCHER_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(folder)
    folder.rmdir()


@pytest.mark.usefixtures("deleted_folder")
def test_a_relative_path_is_refused_in_words() -> None:
    words = "current folder no longer exists.*`cd`"
    with pytest.raises(UserErrorException, match=words):
        Workspace.create("lost", path=".")
    with pytest.raises(UserErrorException, match=words):
        Workspace.from_config()
    with pytest.raises(UserErrorException, match=words):
        ScriptRunConfig("src", script="train.py").check()


@pytest.mark.usefixtures("deleted_folder")
@pytest.mark.parametrize("words", [["ps"], ["submit", "train.py"], ["folder", "attach"]])
def test_a_command_says_that_the_current_folder_is_gone(words: list[str]) -> None:
    result = CliRunner().invoke(program(words), words)

    assert result.exit_code == 2
    assert "current folder no longer exists" in result.output


@pytest.mark.usefixtures("deleted_folder")
def test_an_absolute_path_still_works(tmp_path: Path) -> None:
    workspace = Workspace.create("kept", path=str(tmp_path / "kept"))

    assert Workspace.from_config(str(tmp_path / "kept")).name == workspace.name
    assert git.properties() == {}
    with pytest.raises(FileNotFoundError):
        os.getcwd()
