"""Folders and workspaces from the command line: attached, joined, listed, deleted."""

import json
from pathlib import Path

from dispatcher.cli import main
from tests.rigs.desk import Desk
from tests.rigs.terminal import Answer, command


def cli(*words: object) -> Answer:
    return command(main.program(), *words)


def test_a_folder_is_attached_with_samples_that_run_and_detached_again(
    shared: Desk, tmp_path: Path
) -> None:
    folder = tmp_path / "project"
    shared.further.append(folder)
    words = ("--path", folder, "-w", "mine", "-g", "group")
    told = cli("folder", "attach", *words, "-e", "tried").json()

    assert told["Experiment name"] == "tried"
    assert (told["Workspace name"], told["Resource group"]) == ("mine", "group")
    files = {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}
    assert files == {
        ".amlignore",
        ".azureml/config.json",
        ".azureml/conda_dependencies.yml",
        ".azureml/docker.runconfig",
        ".azureml/local.runconfig",
        ".azureml/sklearn.runconfig",
    }
    (folder / "train.py").write_text("print('trained')\n")
    for sample in ("local", "sklearn"):
        ran = cli("run", "submit-script", "-c", sample, "--path", folder)
        assert (ran.code, "trained\n" in ran.out) == (0, True), ran
    assert cli("run", "list", "--path", folder, "[]._experiment_name").json() == ["tried"] * 2
    configs = cli("runconfig", "list", "--path", folder).json()
    assert [each["name"] for each in configs] == ["docker", "local", "sklearn"]
    shown = cli("runconfig", "show", "docker", "--path", folder).json()
    assert shown["docker"]["useDocker"] is True
    cli("folder", "detach", "--path", folder).json()
    assert not (folder / ".azureml" / "config.json").exists()
    assert len(cli("run", "list", "-w", "mine").json()) == 2, "the workspace is there still"
    assert cli("server", "stop", "-w", "mine").code == 0


def test_attaching_again_leaves_the_users_files_as_they_are(shared: Desk, tmp_path: Path) -> None:
    files = ("conda_dependencies.yml", "local.runconfig", "docker.runconfig")
    (tmp_path / ".azureml").mkdir()
    for name in files:
        (tmp_path / ".azureml" / name).write_text("# mine\n")

    for _ in range(2):
        assert cli("folder", "attach", "--path", tmp_path, "-w", "desk").code == 0

    texts = [(tmp_path / ".azureml" / name).read_text() for name in files]
    assert texts == ["# mine\n"] * 3
    sample = (tmp_path / ".azureml" / "sklearn.runconfig").read_text()
    assert "condaDependenciesFile: conda_dependencies.yml\n" in sample


def test_a_second_folder_joins_a_workspace_and_gets_a_configuration_for_each_target(
    shared: Desk, tmp_path: Path
) -> None:
    shared.attach("gpu-compute", kind="local", cpus=2)
    told = cli("folder", "attach", "--path", tmp_path, "-w", "desk", "-g", "other")

    assert told.json()["Resource group"] == "local"
    assert "'other' is ignored" in told.err
    shown = cli("runconfig", "show", "gpu-compute", "--path", tmp_path).json()
    assert shown["target"] == "gpu-compute"
    assert cli("workspace", "show", "--path", tmp_path).json()["name"] == "desk"


def test_a_workspace_is_known_by_the_config_that_azure_wrote(shared: Desk, tmp_path: Path) -> None:
    folder = tmp_path / "from-azure"
    shared.further.append(folder)
    (folder / ".azureml").mkdir(parents=True)
    told = {"subscription_id": "s", "resource_group": "g", "workspace_name": "prod"}
    (folder / ".azureml" / "config.json").write_text(json.dumps(told))

    for words in ((), ("-w", "prod", "-g", "g", "--subscription", "s")):
        listed = cli("run", "list", "--path", folder, *words)
        assert (listed.json(), listed.err) == ([], "")
    assert cli("run", "list", "--path", folder, "-w", "another").code == 2


def test_workspaces_are_made_listed_and_deleted(shared: Desk) -> None:
    made = cli("workspace", "create", "-w", "second", "-g", "group", "-l", "westeurope")
    assert made.json()["resourceGroup"] == "group"
    assert "--location has no meaning" in made.err
    assert cli("workspace", "create", "-w", "second").code == 2
    assert cli("workspace", "create", "-w", "second", "--exist-ok").code == 0
    assert {"desk", "second"} <= set(cli("workspace", "list", "[].name").json())
    assert cli("workspace", "delete", "-w", "second", "--all-resources", "-y").code == 0
    assert cli("workspace", "show", "-w", "second").code == 2
