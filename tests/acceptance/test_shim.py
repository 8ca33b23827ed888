"""`dispatcher shim`: `azureml` and `az` at the desk, and who wins where the real ones are."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.rigs.desk import Desk
from tests.rigs.terminal import bash

VERSION = "import azureml.core; print(azureml.core.VERSION, azureml.core.__file__)"
SUBMITS = """
import sys
from azureml.core import Experiment, ScriptRunConfig, Workspace
experiment = Experiment(Workspace.from_config(), "desk")
run = experiment.submit(ScriptRunConfig(".", "train.py"))
run.wait_for_completion()
print(sys.argv[1:], run.get_status(), run.get_metrics())
"""
TRAIN = "from azureml.core import Run\nRun.get_context().log('a', 1)\n"


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """A Python without dispatcher and without any package."""
    folder = tmp_path / "other"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    return folder / "bin" / "python"


@pytest.fixture
def real(other: Path) -> Path:
    """A Python in which an azureml-core is installed."""
    packages = next((other.parents[1] / "lib").glob("python*/site-packages"))
    core = packages / "azureml" / "core"
    core.mkdir(parents=True)
    (core / "__init__.py").write_text("VERSION = '1.60.0'\n")
    told = packages / "azureml_core-1.60.0.dist-info"
    told.mkdir()
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: azureml-core\nVersion: 1.60.0\n")
    return other


def run_of(python: Path, *words: str) -> str:
    return " ".join([sys.executable, "-m dispatcher.cli.main shim", *words, f"--python {python}"])


def test_a_shell_that_evaluates_it_has_azureml_and_az(shared: Desk, tmp_path: Path) -> None:
    seen = bash(f'{sys.executable} -c "{VERSION}"; az --version; command -v az', tmp_path)

    version, az, place = seen.out.splitlines()
    assert "/dispatcher/azureml_shim/azureml/" in version
    assert az.startswith("azure-cli-ml answered by dispatcher")
    assert place.startswith(str(shared.root / "home" / "shim"))


def test_evaluating_it_twice_changes_nothing_but_the_order(shared: Desk, tmp_path: Path) -> None:
    again = f'eval "$({sys.executable} -m dispatcher.cli.main shim env)"\n'
    seen = bash(again + f'{sys.executable} -c "{VERSION}"; az --version', tmp_path)
    assert seen.code == 0, seen
    assert len(seen.out.splitlines()) == 2


def test_a_real_azureml_core_wins_unless_asked_otherwise(
    shared: Desk, tmp_path: Path, real: Path
) -> None:
    eval_of = 'eval "$({})"\n{} -c "{}"'
    kept = bash(eval_of.format(run_of(real, "env"), real, VERSION), tmp_path, shim=False)
    forced = bash(
        eval_of.format(run_of(real, "env", "--force"), real, VERSION), tmp_path, shim=False
    )

    assert kept.out.startswith("1.60.0 ")
    assert "azureml-core 1.60.0 is installed" in kept.err
    assert "/dispatcher/azureml_shim/" in forced.out
    (tmp_path / "say.py").write_text(VERSION)
    assert bash(run_of(real, "run") + " say.py", tmp_path, shim=False).out.startswith("1.60.0 ")
    assert (
        "azureml_shim" in bash(run_of(real, "run", "--force") + " say.py", tmp_path, shim=False).out
    )


def test_a_script_runs_with_its_arguments_in_any_python_and_its_exit_code_is_kept(
    shared: Desk, tmp_path: Path, other: Path
) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    shared.workspace.write_config(str(folder))
    shared.kill_service()  # what runs there cannot start it by itself
    (folder / "submit.py").write_text(SUBMITS)
    (folder / "train.py").write_text(TRAIN)

    seen = bash(run_of(other, "run") + " submit.py --force -o 1", folder, shim=False)

    assert seen.code == 0, seen
    assert seen.out == "['--force', '-o', '1'] Completed {'a': 1}\n"
    (folder / "fails.py").write_text("import sys; sys.exit(7)")
    assert bash(run_of(other, "run") + " fails.py", folder, shim=False).code == 7


def test_what_is_not_az_ml_goes_to_the_azure_cli_if_there_is_one(
    shared: Desk, tmp_path: Path
) -> None:
    (tmp_path / "az").write_text("#!/bin/sh\necho the real az: $@\n")
    (tmp_path / "az").chmod(0o755)
    script = "az storage list; az login; az account set -s x; az account show --query name -o tsv"

    seen = bash(f'PATH="$PATH:{tmp_path}"\n{script}', tmp_path)
    alone = bash("az storage list", tmp_path)

    assert seen.out == "the real az: storage list\ndispatcher\n"
    assert seen.err.count("note: ") == 2
    assert alone.code == 2
    assert "no Azure CLI is installed" in alone.err
