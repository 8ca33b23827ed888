"""docs/migrating-from-azureml.md: its files are written, its commands typed, in its order."""

import os
import sys
from pathlib import Path

import pytest

from tests.rigs.desk import Desk
from tests.rigs.snippets import DOCS, snippets
from tests.rigs.terminal import Answer, bash

PAGE = DOCS / "migrating-from-azureml.md"
TYPED = [each.text for each in snippets(PAGE, "bash")]
FILES = [each.text for each in snippets(PAGE, "python")]


@pytest.fixture(scope="module")
def typed(shared: Desk, tmp_path_factory: pytest.TempPathFactory) -> list[Answer]:
    """What the page's commands answered, in a folder with the page's files."""
    folder = tmp_path_factory.mktemp("project")
    shared.further.append(folder)
    for text in FILES:
        path = folder / text.split("\n")[0].removeprefix("# ")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    programs = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    return [bash(f"set -e\n{text}", folder, programs, shim=False) for text in TYPED]


def test_every_command_of_the_page_succeeds(typed: list[Answer]) -> None:
    assert len(typed) == 3
    assert [answer.code for answer in typed] == [0, 0, 0], typed


def test_lint_finds_what_it_promises(typed: list[Answer]) -> None:
    linted = typed[0]
    assert '"place": "submit.py:4"' in linted.out
    assert '"verdict": "approximated"' in linted.out
    assert "0 unsupported, 0 unreadable" in linted.err


def test_v1s_scripts_run_as_they_are(typed: list[Answer]) -> None:
    ran = typed[1].out
    assert "{'loss': [0.1, 0.05, 0.03" in ran
    assert "migrated_" in ran.splitlines()[-1]
    assert ran.splitlines()[-1].endswith("Completed")


def test_a_target_takes_the_clusters_name(typed: list[Answer]) -> None:
    assert '"gpus": [' in typed[2].out
