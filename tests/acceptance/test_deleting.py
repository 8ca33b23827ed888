"""Deleting from the desk, against a real service."""

from pathlib import Path

from dispatcher.cli import main
from dispatcher.client.v1.workspaces.model import Model
from tests.rigs.desk import Desk
from tests.rigs.terminal import Answer, command

WRITES = "import os\nos.makedirs('outputs', exist_ok=True)\nopen('outputs/m', 'w').write('kept')\n"


def cli(*words: object) -> Answer:
    return command(main.program(), *words)


def test_a_run_is_deleted_and_its_registered_model_can_still_be_downloaded(
    shared: Desk, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    waits = f"import os, time\nwhile not os.path.exists({str(go)!r}): time.sleep(0.02)\n"
    run = shared.submit(shared.source("deleted", main=waits + WRITES))
    assert "cancel it first" in cli("run", "delete", run.id, "-w", "desk", "--yes").err
    go.touch()
    run.wait_for_completion()
    run.register_model("kept", "outputs/m")

    deleted = cli("run", "delete", "-r", run.id, "-w", "desk", "-y")

    assert (deleted.code, deleted.json()) == (0, {"run": run.id, "deleted": 1})
    again = cli("run", "show", run.id, "-w", "desk")
    assert again.code == 4
    assert "was deleted at" in again.err
    path = Model(shared.workspace, "kept").download(str(tmp_path))
    assert Path(path).read_text() == "kept"


def test_df_says_what_takes_the_room_and_gc_frees_it(shared: Desk) -> None:
    run = shared.submit(shared.source("large", main=WRITES.replace("'kept'", "'x' * 5000")))
    run.wait_for_completion()
    usage = cli("df", "-w", "desk", "--json").json()
    assert any(each["name"] == run.id and each["files"] == 5000 for each in usage["runs"])
    assert {"database", "contents", "logs"} <= {each["kind"] for each in usage["kinds"]}
    assert f"5.0 kB  {run.id}" in cli("df", "-w", "desk").out
    cli("run", "delete", run.id, "-w", "desk", "-y")

    rule = ("--rule", "contents_grace=0s")
    planned = cli("gc", "-w", "desk", "--dry-run", *rule)
    done = cli("gc", "-w", "desk", "--json", *rule).json()

    assert "contents would be deleted" in planned.out
    assert done["deleted"]["contents"]["bytes"] >= 5000
    assert cli("gc", "-w", "desk", *rule).out == "nothing to delete\n"


def test_rules_are_shown_and_set_and_a_wrong_one_is_named(shared: Desk) -> None:
    changed = cli("retention", "set", "runs_age=90d", "-w", "desk")
    assert changed.json()["runs_age"] == 90 * 86400
    assert cli("retention", "show", "-w", "desk").json() == changed.json()
    wrong = cli("retention", "set", "runs_age=old", "-w", "desk")
    assert (wrong.code, "runs_age: 'old': not an age" in wrong.err) == (2, True)
    assert cli("retention", "set", "runs_age", "-w", "desk").code == 2
    cli("retention", "set", "runs_age=none", "-w", "desk")
