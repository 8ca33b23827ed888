"""The names of modules in a run: ours under a private name, the user's under their own."""

import ast
import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from dispatcher.agent import runtime_path
from dispatcher.agent.origin import PRIVATE_PACKAGE
from dispatcher.agent.runtime import build_zip, materialise

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> str:
    return materialise(str(tmp_path_factory.mktemp("runtime")), sys.executable)


def run(program: str, folder: Path, *paths: object, **variables: str) -> str:
    """Run a program as the script of a folder, with these entries of PYTHONPATH."""
    folder.mkdir(exist_ok=True)
    (folder / "main.py").write_text(program)
    done = subprocess.run(
        [sys.executable, "main.py"],
        env={"PYTHONPATH": os.pathsep.join(map(str, paths)), **variables},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_nothing_in_the_runtime_imports_the_public_name() -> None:
    packed = zipfile.ZipFile(io.BytesIO(build_zip()))
    public = []
    for name in packed.namelist():
        if not name.endswith(".py"):
            continue
        for node in ast.walk(ast.parse(packed.read(name))):
            if isinstance(node, ast.Import):
                imported = [alias.name for alias in node.names]
            else:
                is_from = isinstance(node, ast.ImportFrom)
                imported = [node.module or ""] if is_from else []  # type: ignore[attr-defined]
            public += [(name, one) for one in imported if one.split(".")[0] == "dispatcher"]
    assert public == []


USES_BOTH = "from azureml.core import Run\nimport dispatcher\nprint(dispatcher.VALUE, Run.__name__)"


@pytest.mark.parametrize("file", ["dispatcher.py", "dispatcher/__init__.py"])
@pytest.mark.parametrize("place", ["script", "path"])
def test_a_module_of_the_user_called_dispatcher_is_the_users(
    tmp_path: Path, runtime: str, file: str, place: str
) -> None:
    own = tmp_path / place / file
    own.parent.mkdir(parents=True)
    own.write_text("VALUE = 'mine'\n")

    assert run(USES_BOTH, tmp_path / "script", runtime, tmp_path / "path") == "mine Run"


def test_a_folder_of_modules_called_dispatcher_without_init_is_the_users(
    tmp_path: Path, runtime: str
) -> None:
    package = tmp_path / "script" / "dispatcher"
    package.mkdir(parents=True)
    (package / "routes.py").write_text("VALUE = 'mine'\n")
    program = (
        "from azureml.core import Run\nfrom dispatcher.routes import VALUE\n"
        "import dispatcher.routes\nprint(VALUE, dispatcher.routes.VALUE)"
    )

    assert run(program, tmp_path / "script", runtime) == "mine mine"


def test_a_folder_of_data_called_dispatcher_hides_nothing(tmp_path: Path, runtime: str) -> None:
    (tmp_path / "script" / "dispatcher").mkdir(parents=True)
    program = "from dispatcher import Run\nprint(Run.__name__)"

    assert run(program, tmp_path / "script", runtime) == "Run"


def test_without_one_of_the_users_the_public_name_gives_the_same_objects(
    tmp_path: Path, runtime: str
) -> None:
    program = (
        "import importlib, sys\n"
        "from azureml.core import Run as of_azureml, Experiment\n"
        "from dispatcher import Run as public\n"
        "import dispatcher, dispatcher.client.errors\n"
        "from dispatcher.client.errors import AzureMLException\n"
        "from azureml.exceptions import AzureMLException as other\n"
        f"import {PRIVATE_PACKAGE}.client.errors as private\n"
        "assert public is of_azureml\n"
        "assert AzureMLException is other is private.AzureMLException\n"
        "assert dispatcher.client.errors is private\n"
        f"assert private.__spec__.name == '{PRIVATE_PACKAGE}.client.errors'\n"
        "try:\n    import dispatcher.nothing\n"
        "except ModuleNotFoundError as error:\n    print(error)"
    )

    assert run(program, tmp_path / "script", runtime) == "No module named 'dispatcher.nothing'"


def test_an_installed_product_beside_it_gives_the_parts_that_a_run_does_not_carry(
    tmp_path: Path, runtime: str
) -> None:
    program = (
        "from dispatcher.cli.exits import Exit\nimport dispatcher.client.errors, dispatcher.core\n"
        "print(Exit.__name__, dispatcher.client.errors.__file__, dispatcher.core.__file__)"
    )

    name, of_runtime, installed = run(program, tmp_path / "script", runtime).split()
    assert name == "Exit"
    assert of_runtime == f"{runtime}/{PRIVATE_PACKAGE}/client/errors.py"
    assert installed == str(REPOSITORY / "dispatcher/core/__init__.py")


def test_the_runtime_is_found_whatever_became_of_pythonpath(tmp_path: Path, runtime: str) -> None:
    program = "from azureml.core import Run\nprint(Run.__module__)"
    modules = run(program, tmp_path / "script", tmp_path, DISPATCHER_RUNTIME=runtime)

    assert modules.startswith(PRIVATE_PACKAGE)


def test_outside_of_runs_an_installation_changes_nothing(tmp_path: Path) -> None:
    program = (
        "import sys\nprint([m for m in sys.modules if m.startswith('dispatcher')])\n"
        "try:\n    import azureml\nexcept ModuleNotFoundError as error:\n    print(error)"
    )

    assert run(program, tmp_path / "script") == "[]\nNo module named 'azureml'"


def test_the_wheel_carries_the_line_that_environments_get() -> None:
    assert (REPOSITORY / "packaging" / runtime_path.FILE).read_text() == runtime_path.LINE
