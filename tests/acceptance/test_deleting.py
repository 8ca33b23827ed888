"""Deleting from the desk, against a real service."""

from pathlib import Path

from dispatcher.cli import main
from dispatcher.client.v1.workspaces.model import Model
from tests.rigs.desk import Desk
from tests.rigs.terminal import Answer, command

WRITES = "import os\nos.makedirs('outputs', exist_ok=True)\nopen('outputs/m', 'w').write('kept')\n"


def cli(*words: object) -> Answer:
    return command(main.app, *words)


def test_a_run_is_deleted_and_its_registered_model_can_still_be_downloaded(
    shared: Desk, tmp_path: Path
) -> None:
    run = shared.submit(shared.source("deleted", main=WRITES))
    assert "cancel it first" in cli("run", "delete", run.id, "-w", "desk", "--yes").err
    run.wait_for_completion()
    run.register_model("kept", "outputs/m")

    deleted = cli("run", "delete", "-r", run.id, "-w", "desk", "-y")

    assert (deleted.code, deleted.json()) == (0, {"run": run.id, "deleted": 1})
    again = cli("run", "show", run.id, "-w", "desk")
    assert again.code == 4
    assert "was deleted at" in again.err
    path = Model(shared.workspace, "kept").download(str(tmp_path))
    assert Path(path).read_text() == "kept"
