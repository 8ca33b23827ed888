"""What a script brings along and changes does not meet what the product puts into a run."""

from pathlib import Path

import pytest

from tests.rigs.desk import Desk

USES_BOTH = """
import subprocess, sys
from azureml.core import Run
import dispatcher

run = Run.get_context()
run.log("seen", dispatcher.VALUE)
if "child" not in sys.argv:
    subprocess.run([sys.executable, sys.argv[0], "child"], check=True)
"""
SETS_THE_PATH = """
import os, subprocess, sys
os.environ["PYTHONPATH"] = "lib"
code = "from azureml.core import Run; import of_lib; Run.get_context().log('seen', of_lib.VALUE)"
subprocess.run([sys.executable, "-c", code], check=True)
subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": "lib"})
subprocess.run([sys.executable, "-I", "-c", "from azureml.core import Run"], check=True)
"""
STANDARD_NAMES = """
import sys
import json, logging, http, socket  # the script's own
from azureml.core import Run, ScriptRunConfig
import queue, random, uuid

run = Run.get_context()
run.log("own", [json, logging, http, socket, queue, random, uuid][int(sys.argv[1])].OWN)
run.tag("a", "b")
run.upload_file("kept", "main.py")
if run.parent is None:
    child = run.submit_child(ScriptRunConfig(".", "main.py", arguments=[6]))
    child.wait_for_completion()
    run.log("child", child.get_metrics()["own"])
"""
IN_A_FOLDER = """
from azureml.core import Run
from shapes.area import area
import near

Run.get_context().log("area", area(3, near.SIDE))
"""


def source(desk: Desk, name: str, **files: str) -> str:
    folder = desk.root / "sources" / name
    for path, text in files.items():
        file = folder / path.replace("__", "/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.with_name(f"{file.name}.py").write_text(text)
    return str(folder)


@pytest.mark.parametrize("start", ["fresh", "fork", "auto"])
@pytest.mark.parametrize("place", ["beside the script", "in the root", "on PYTHONPATH"])
def test_a_module_called_dispatcher_is_the_scripts_own(
    shared: Desk, start: str, place: str
) -> None:
    script = "main" if place == "beside the script" else "steps__main"
    module = "lib__dispatcher" if place == "on PYTHONPATH" else "dispatcher"
    folder = source(shared, f"own {place} {start}", **{script: USES_BOTH, module: "VALUE = 'me'"})
    config = shared.config(folder, script=f"{script.replace('__', '/')}.py")
    config.run_config.start_method = start
    if place == "on PYTHONPATH":
        config.run_config.environment_variables = {"PYTHONPATH": "lib"}
    run = shared.experiment.submit(config)
    run.wait_for_completion()

    assert run.get_metrics() == {"seen": ["me", "me"]}


def test_modules_with_names_of_the_standard_library_are_the_scripts_own(shared: Desk) -> None:
    names = ("json", "logging", "http", "socket", "queue", "random", "uuid", "threading", "email")
    own = {name: f"OWN = {name!r}" for name in names}
    config = shared.config(source(shared, "standard", main=STANDARD_NAMES, **own))
    config.arguments = ["0"]
    run = shared.experiment.submit(config)
    run.wait_for_completion()

    assert run.get_metrics() == {"own": "json", "child": "uuid"}
    assert run.get_tags()["a"] == "b"
    assert "kept" in run.get_file_names()


def test_a_script_may_replace_pythonpath(shared: Desk) -> None:
    run = shared.submit(
        source(shared, "path", main=SETS_THE_PATH, lib__of_lib="VALUE = 'of the lib'")
    )
    run.wait_for_completion()

    assert run.get_metrics() == {"seen": ["of the lib", "of the lib"]}


@pytest.mark.parametrize("start", ["fresh", "fork", "auto"])
def test_a_script_in_a_folder_imports_from_beside_it_and_from_the_root(
    shared: Desk, start: str
) -> None:
    files = {
        "steps__fit": IN_A_FOLDER,
        "steps__near": "SIDE = 4",
        "near": "SIDE = 1000",
        "shapes__area": "def area(a, b):\n    return a * b",
    }
    config = shared.config(source(shared, f"steps {start}", **files), script="steps/fit.py")
    config.run_config.start_method = start
    run = shared.experiment.submit(config)
    run.wait_for_completion()

    assert run.get_metrics() == {"area": 12}


@pytest.mark.parametrize(
    "words",
    [
        ["export", "PYTHONPATH=$PWD", "&&", "cd", "foo", "&&", "python", "lights.py"],
        "PYTHONPATH=. python foo/lights.py --x 'a b' | cat; test ${PIPESTATUS[0]} -eq 0",
    ],
    ids=["list", "text"],
)
def test_a_command_may_use_the_words_of_bash_and_replace_pythonpath(
    shared: Desk, words: list[str] | str
) -> None:
    from dispatcher.client.v1.configs.script_run_config import ScriptRunConfig

    lights = "from azureml.core import Run\nimport of_root\nRun.get_context().log('on', 1)"
    folder = source(shared, "lights", foo__lights=lights, of_root="")
    run = shared.experiment.submit(ScriptRunConfig(folder, command=words))
    run.wait_for_completion()

    assert run.get_metrics() == {"on": 1}


def test_a_script_reads_the_public_package_where_it_has_no_module_of_that_name(
    shared: Desk, tmp_path: Path
) -> None:
    text = """
from dispatcher import Run
from dispatcher.client.errors import AzureMLException
import azureml.core
assert Run is azureml.core.Run
Run.get_context().log("seen", 1)
"""
    run = shared.submit(source(shared, "public", main=text))
    run.wait_for_completion()

    assert run.get_metrics() == {"seen": 1}
