"""docs/managing-runs.md, every snippet as printed: Python as one notebook, `az ml` in bash."""

import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dispatcher.client.v1.configs.script_run_config import ScriptRunConfig
from dispatcher.client.v1.runs.run import Run
from dispatcher.client.v1.workspaces.experiment import Experiment
from dispatcher.client.v1.workspaces.workspace import Workspace
from tests.rigs import notebook
from tests.rigs.desk import Desk, desk
from tests.rigs.snippets import DOCS, Cell, cells, snippets
from tests.rigs.terminal import Answer, bash

PAGE = DOCS / "managing-runs.md"
SCRIPTS = DOCS.parent / "examples" / "managing_runs"
PYTHON = [each.text for each in snippets(PAGE, "python")]
AZ = [each.text for each in snippets(PAGE, "azurecli-interactive")]
QUOTED = [each.text for each in snippets(PAGE, "bash")]
FILES = ("# parent.py", "## In child run script")  # snippets that are (of) scripts
CELLS = [text for text in PYTHON if not text.startswith(FILES)]

# What the page says of itself: the first snippet comes "after import azureml.core"; `runid` and
# `experiment` stand for the reader's; parent.py is submitted as any script.
BEFORE = "import azureml.core"
AFTER = """
parent = exp.submit(ScriptRunConfig(source_directory='.', script='parent.py'), run_id="fruit")
parent.wait_for_completion()
yours = Experiment(ws, "experiment").start_logging(run_id="runid", snapshot_directory=None)
yours.add_properties({"author": "azureml-user"})
yours.tag("worth another look")
other = Experiment(ws, "experiment").start_logging(run_id="other", snapshot_directory=None)
other.add_properties({"author": "different-user"})
print(notebook_run.id, local_script_run.id, parent_run.id)
"""


@dataclass(frozen=True)
class Reader:
    """Somebody who types the page into a shell and a notebook."""

    desk: Desk
    folder: Path
    cells: dict[str, Cell]

    def az(self, start: str) -> Answer:
        """Type the snippet that starts so."""
        (text,) = [each for each in AZ if each.startswith(start)]
        return bash(text, self.folder)

    @property
    def ids(self) -> list[str]:
        """Of the last interactive run, the last script run, and the parent with five children."""
        return self.cells[AFTER].out.split()

    def cell(self, part: str) -> Cell:
        (found,) = [cell for code, cell in self.cells.items() if part in code]
        return found


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    root = tmp_path_factory.mktemp("reader")
    with desk(root / "desk") as made:
        folder = root / "training"
        shutil.copytree(SCRIPTS, folder)
        made.further += [folder, root / "desk" / "home" / "workspaces" / "workspace_name"]
        for start in ("az login", "az ml folder attach"):
            (text,) = [each for each in AZ if each.startswith(start)]
            assert bash(text, folder).code == 0
        attach = f"{sys.executable} -m dispatcher.cli.main computetarget attach local"
        assert bash(f"{attach} -n gpu-compute --cpus 3", folder).code == 0
        yield Reader(made, folder, _type(folder, root))


def _type(folder: Path, root: Path) -> dict[str, Cell]:
    """Execute all cells, in order and in one namespace."""
    codes = [BEFORE, *CELLS, AFTER]
    (root / "cells.json").write_text(json.dumps(codes))
    words = (sys.executable, notebook.__file__, root / "cells.json", root / "results.json")
    done = bash(" ".join(map(str, words)), folder)
    assert done.code == 0, done.err[-3000:]
    return dict(zip(codes, cells(root / "results.json"), strict=True))


def lines(cell: Cell) -> list[str]:
    return cell.out.splitlines()


def test_the_scripts_of_the_page_are_the_ones_in_examples() -> None:
    parent, child = (text for text in PYTHON if text.startswith(FILES))
    assert (SCRIPTS / "parent.py").read_text() == parent
    assert child in (SCRIPTS / "child.py").read_text()
    assert (len(PYTHON), len(AZ)) == (18, 8)


def test_the_version_is_v1s(reader: Reader) -> None:
    assert lines(reader.cell("print(azureml.core.VERSION)")) == ["1.61.0"]


def test_an_interactive_run_is_running_then_completed(reader: Reader) -> None:
    status, ended = [
        cell
        for code, cell in reader.cells.items()
        if code.endswith("print(notebook_run.get_status())\n") and "with" not in code
    ]
    assert lines(status) == ["Running"]
    assert lines(ended) == ["Completed"]
    details = reader.cell("notebook_run.get_details()").out
    assert "'status': 'Running'" in details
    assert "'runId': '" in details
    assert lines(reader.cell("with exp.start_logging() as notebook_run")) == [
        "Running",
        "Completed",
    ]


def test_a_script_run_is_canceled_and_another_failed(reader: Reader) -> None:
    before, after = lines(reader.cell("local_script_run.cancel()"))
    assert before in ("Queued", "Provisioning", "Running")
    assert after in ("CancelRequested", "Canceled")
    assert lines(reader.cell("local_script_run.fail()")) == ["Failed"]


def test_children_are_made_by_a_script_and_by_a_notebook(reader: Reader) -> None:
    printed = reader.cell("!more hello_with_children.py").out
    assert (reader.folder / "hello_with_children.py").read_text() in printed  # what `more` shows
    assert "\nStreaming user_logs/std_log.txt\n" in printed
    assert printed.endswith("\nCompleted\n")
    script, parent = (_run(reader, run_id) for run_id in reader.ids[1:])
    for run in (script, parent):
        children = list(run.get_children())
        assert [child.get_status() for child in children] == ["Completed"] * 5
        said = {child.get_metrics()["Hello from child run"] for child in children}
        assert said == {0, 1, 2, 3, 4}
    assert lines(reader.cell("print(parent_run.get_children())"))[0].startswith("<generator object")


def test_a_parent_submits_a_child_for_each_fruit_to_another_target(reader: Reader) -> None:
    parent = _run(reader, "fruit")
    children = list(parent.get_children())

    assert parent.get_status() == "Completed"
    assert parent.get_metrics()["Status"] == [
        f"Launching {f}" for f in ("Apple", "Banana", "Orange")
    ]
    assert {child.get_tags()["fruit"] for child in children} == {"Apple", "Banana", "Orange"}
    assert {child.get_details()["target"] for child in children} == {"gpu-compute"}
    assert {child.get_status() for child in children} == {"Completed"}
    assert {child.parent.id for child in children if child.parent} == {"fruit"}


def test_a_property_stays_and_tags_change(reader: Reader) -> None:
    assert "'author': 'azureml-user'" in reader.cell('{"author":"azureml-user"})\nprint').out
    refusal = reader.cell('add_properties({"author":"different-user"})').out
    assert "author" in refusal
    assert "azureml-user" in refusal
    assert lines(reader.cell('tag("quality", "great run")')) == [
        "{'quality': 'great run'}",
        "{'quality': 'fantastic run'}",
    ]
    assert lines(reader.cell('tag("worth another look")\nprint')) == [
        "{'quality': 'fantastic run', 'worth another look': None}"
    ]


def test_properties_and_tags_find_the_run(reader: Reader) -> None:
    by_tag, by_word = reader.cell("list(exp.get_runs(").values
    for found in (by_tag, by_word):
        assert found.count("Run(") == 1
        assert f"Id: {reader.ids[1]}" in found


def test_az_login_is_accepted_with_a_note(reader: Reader) -> None:
    answer = reader.az("az login")
    assert (answer.code, answer.out) == (0, "")
    assert "note: az login" in answer.err


def test_az_attaches_the_folder_and_submits_a_sample_configuration(reader: Reader) -> None:
    told = reader.az("az ml folder attach").json()
    assert (told["Workspace name"], told["Resource group"]) == ("myworkspace", "myresourcegroup")

    ran = reader.az("az ml run submit-script")

    assert ran.code == 0, ran
    assert "trained\n" in ran.out
    shown = bash("az ml run list -e testexperiment", reader.folder).json()
    assert [(run["status"], run["script_name"]) for run in shown] == [("Completed", "train.py")]


def test_az_lists_shows_and_tags_a_run_and_finds_it_again(reader: Reader) -> None:
    listed = reader.az("az ml run list --experiment-name experiment\n").json()
    assert [run["run_id"] for run in listed] == ["other", "runid"]
    # The notebook that drives it has ended; after 20 s that shows.
    assert reader.az("az ml run show").json()["status"] in ("Running", "NotResponding")

    changed = reader.az("az ml run update").json()

    assert changed["tags"] == {"quality": "fantastic run", "worth another look": None}
    for line in "".join(QUOTED).splitlines():
        assert [run["run_id"] for run in bash(line, reader.folder).json()] == ["runid"], line


def test_the_queries_as_printed_do_in_bash_what_the_page_says(reader: Reader) -> None:
    first, second, third = [
        line
        for line in next(text for text in AZ if text.startswith("#")).splitlines()
        if not line.startswith("#")
    ]

    assert [run["run_id"] for run in bash(first, reader.folder).json()] == ["runid"]
    refused = bash(second, reader.folder)
    assert "syntax error near unexpected token `('" in refused.err
    cut = bash(third, reader.folder)
    assert (cut.code, cut.out) == (2, "")
    assert "the shell cuts it" in cut.err
    (reader.folder / "a").touch()  # the pattern of the first line matches this name
    assert "file names" in bash(first, reader.folder).err
    (reader.folder / "a").unlink()


def test_az_cancels_a_run_of_another_workspace(reader: Reader) -> None:
    assert bash("az ml workspace create -w workspace_name", reader.folder).code == 0
    experiment = Experiment(Workspace.get("workspace_name"), "experiment_name")
    delay = ScriptRunConfig(str(reader.folder), script="hello_with_delay.py")
    run = experiment.submit(delay, run_id="runid")

    answer = reader.az("az ml run cancel")

    assert answer.code == 0, answer
    assert "canceled successfully" in answer.err
    assert run.wait_for_completion()["status"] == "Canceled"


def _run(reader: Reader, run_id: str) -> Run:
    found: Any = Workspace.from_config(str(reader.folder)).get_run(run_id)
    assert isinstance(found, Run)
    return found
