"""The command line against a real service: what it finds, changes, prints, and how it ends."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import typer
import yaml

from dispatcher.cli import az, main
from dispatcher.client.v1.runs.run import Run
from tests.rigs.desk import Desk
from tests.rigs.terminal import Answer, command

V1 = json.loads((Path(__file__).parent / "data" / "cli_v1.json").read_text())
# Environments have a test of their own; of `workspace create`, what makes Azure resources is not.
NOT_HERE = ("environment ", "workspace create")

TALKS = "import sys\nprint('hello', *sys.argv[1:])\nsys.exit('5' in sys.argv)\n"
WAITS = "import time\ntime.sleep(600)\n"


def cli(*words: object) -> Answer:
    return command(main.program(), *words)


@pytest.fixture(scope="module")
def family(shared: Desk) -> Iterator[dict[str, Run]]:
    """A parent with a child and a grandchild, and a lone run; all with tags and properties."""
    runs: dict[str, Run] = {}
    runs["parent"] = shared.experiment.start_logging(run_id="parent", snapshot_directory=None)
    runs["child"] = runs["parent"].child_run(run_id="child")
    runs["grandchild"] = runs["child"].child_run(run_id="grandchild")
    runs["lone"] = shared.experiment.start_logging(run_id="lone", snapshot_directory=None)
    for run in runs.values():
        run.set_tags({"quality": "fantastic run", "worth another look": None})
        run.add_properties({"author": "azureml-user"})
    runs["lone"].complete()
    yield runs
    for run in runs.values():
        run.cancel()


def ids(*words: object) -> list[str]:
    found = cli("run", "list", "-w", "desk", "--query", "[].run_id", "-o", "json", *words).json()
    return [run_id for run_id in found if run_id in ("parent", "child", "grandchild", "lone")]


def test_run_list_shows_runs_at_the_top_unless_children_are_asked_for(
    family: dict[str, Run],
) -> None:
    assert ids() == ["lone", "parent"]
    assert ids("--all") == ["lone", "grandchild", "child", "parent"]
    assert ids("--parent-run-id", "parent") == ["child"]
    assert ids("--parent-run-id", "parent", "--recursive") == ["grandchild", "child"]


def test_run_list_filters_by_everything_that_v1_filters_by(family: dict[str, Run]) -> None:
    assert ids("--status", "Completed") == ["lone"]
    assert ids("--tags", "quality=fantastic run", "--tags", "worth another look") == [
        "lone",
        "parent",
    ]
    assert ids("--tags", "quality=poor") == []
    assert ids("--properties", "author=azureml-user", "-e", "acceptance") == ["lone", "parent"]
    assert ids("-e", "another") == []
    assert ids("--compute-target-name", "nowhere") == []
    assert ids("--last", 1) == ["lone"]


def test_run_list_fetches_more_than_one_page(
    family: dict[str, Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dispatcher.cli.listing.PAGE", 1)
    assert ids("--all", "--last", 3) == ["lone", "grandchild", "child"]


def test_a_run_has_v1s_keys(family: dict[str, Run]) -> None:
    (shown,) = cli("run", "list", "-w", "desk", "--last", 1).json()

    assert shown["run_id"] == "lone"
    assert shown["status"] == "Completed"
    assert shown["_experiment_name"] == "acceptance"
    assert shown["start_time_utc"].endswith("Z")
    assert shown["end_time_utc"].endswith("Z")
    assert (shown["run_type"], shown["parent_run_id"], shown["run_number"]) == (None, None, 4)
    assert shown["tags"] == {"quality": "fantastic run", "worth another look": None}
    assert shown["properties"]["author"] == "azureml-user"
    minimal = cli("run", "list", "-w", "desk", "--last", 1, "--minimal").json()[0]
    assert list(minimal) == [
        "RunId",
        "RunType",
        "Status",
        "StartTime",
        "EndTime",
        "Target",
        "Tags",
    ]


@pytest.mark.parametrize(
    "query",
    [
        "[?properties.author=='azureml-user']",
        "[?tags.keys(@)[?starts_with(@, 'worth another look')]]",
        "[?properties.author=='azureml-user' && tags.quality=='fantastic run']",
    ],
)
def test_the_documents_queries_find_the_runs_however_they_arrive(
    family: dict[str, Run], query: str
) -> None:
    bare = query.replace("'", "")
    for words in (["--query", query], [query], [bare], bare.split(" ")):
        found = cli("run", "list", "-w", "desk", *words).json()
        assert {run["run_id"] for run in found} >= {"lone", "parent"}, words
    assert (
        cli(
            "run",
            "list",
            "-w",
            "desk",
            bare.replace("azureml-user", "x").replace("another look", "no look"),
        ).json()
        == []
    )


def test_each_format_prints_the_same_facts(family: dict[str, Run]) -> None:
    def printed(form: str, *words: str) -> str:
        return cli("run", "list", "-w", "desk", "--last", 1, "-o", form, *words).out

    facts = json.loads(printed("json"))
    assert json.loads(printed("jsonc")) == facts
    assert yaml.safe_load(printed("yaml")) == facts
    assert yaml.safe_load(printed("yamlc")) == facts
    assert printed("none") == ""
    assert printed("tsv", "--query", "[].[run_id,status]") == "lone\tCompleted\n"
    assert "lone" in printed("table")
    assert "Completed" in printed("TABLE")


def test_run_show_takes_the_id_in_both_ways(family: dict[str, Run]) -> None:
    for words in (["lone"], ["-r", "lone"], ["--run", "lone", "-e", "acceptance"]):
        shown = cli("run", "show", *words, "-w", "desk").json()
        assert (shown["run_id"], shown["attempts"]) == ("lone", [])
    tree = cli("run", "show", "parent", "--tree", "-w", "desk").out
    assert tree.count("Running") == 3


def test_run_update_changes_tags_and_leaves_the_others(shared: Desk) -> None:
    run = shared.experiment.start_logging(snapshot_directory=None, tags={"kept": "yes"})
    run.complete()

    changed = cli(
        "run", "update", "-r", run.id, "-w", "desk", "--add-tag", "quality=a=b", "--tags", "word"
    ).json()

    assert changed["tags"] == {"kept": "yes", "quality": "a=b", "word": None}
    assert run.get_tags() == changed["tags"]


def test_a_script_is_submitted_streamed_and_ends_the_command_as_it_ended(shared: Desk) -> None:
    source = shared.source("talks", main=TALKS)
    words = ("run", "submit-script", "-w", "desk", "-e", "talks", "--source-directory", source)

    fine = cli(*words, "main.py", "-o", "x", "--async")
    failed = cli(*words, "main.py", "5")

    assert "hello -o x --async\n" in fine.out  # what follows the script is the script's
    assert (fine.code, failed.code) == (0, 1)
    shown = cli("run", "list", "-w", "desk", "-e", "talks").json()
    assert [run["status"] for run in shown] == ["Failed", "Completed"]
    assert {run["script_name"] for run in shown} == {"main.py"}


def test_an_async_script_is_watched_canceled_and_explained(shared: Desk, tmp_path: Path) -> None:
    source = shared.source("waits", main=WAITS)
    file = tmp_path / "run.json"
    words = ("run", "submit-script", "-w", "desk", "--source-directory", source, "-t", file)

    run_id = cli(*words, "--async", "--query", "run_id", "-o", "tsv", "main.py").out.strip()

    assert json.loads(file.read_text())["run_id"] == run_id
    assert cli(*words, "--async", "main.py").code == 2  # the file is there now
    assert cli("run", "wait", run_id, "-w", "desk", "-q", "--timeout", 0.1).code == 6
    assert "not waiting" in cli("run", "explain", run_id, "-w", "desk").out
    canceled = cli("run", "cancel", "-r", run_id, "-w", "desk", "-e", "waits")
    assert (canceled.code, canceled.out) == (0, "Experiment run canceled successfully.\n")
    assert cli("run", "wait", "-r", run_id, "-w", "desk", "-q").code == 3
    assert "Canceled" in cli("run", "cancel", run_id, "-w", "desk").err


def test_logs_are_streamed_and_downloaded(shared: Desk, tmp_path: Path) -> None:
    source = shared.source("logs", main=TALKS)
    run = shared.submit(source, "again")
    run.wait_for_completion()

    streamed = cli("run", "monitor-logs", "-r", run.id, "-w", "desk")
    written = cli("run", "download-logs", "-r", run.id, "-d", tmp_path / "logs", "-w", "desk")

    assert streamed.code == 0
    assert "hello again\n" in streamed.out
    assert [Path(each["file"]).read_text() for each in written.json()] == ["hello again\n"]
    assert cli("run", "logs", run.id, "-w", "desk").code == 0


def test_targets_are_created_shown_and_detached_in_v1s_words(shared: Desk) -> None:
    create = ("computetarget", "create", "amlcompute", "-w", "desk", "--max-nodes", 3)
    made = cli(*create, "-n", "cpu-cluster", "--vm-size", "STANDARD_D2_V2", "-l", "west")

    assert made.json()["labels"]["vm_size"] == "STANDARD_D2_V2"
    assert made.json()["labels"]["max_nodes"] == "3"
    assert "--location has no meaning here" in made.err
    shared.attach("gpu-cluster", kind="local", gpus=["0", "1"])
    kept = cli(*create, "-n", "gpu-cluster")
    assert kept.json()["gpus"] == ["0", "1"]
    assert "stays as it is" in kept.err
    remote = cli(
        *("computetarget", "attach", "remote", "-n", "machine", "-w", "desk"),
        *("-a", "127.0.0.1", "-u", "nobody", "--ssh-port", 9),
    )
    assert remote.json()["docker_host"] == "ssh://nobody@127.0.0.1:9"
    assert cli("computetarget", "show", "-n", "cpu-cluster", "-w", "desk").json()["name"]
    names = cli("computetarget", "list", "-w", "desk", "[].name").json()
    assert "cpu-cluster" in names
    assert cli("computetarget", "delete", "-n", "cpu-cluster", "-w", "desk").code == 0
    assert cli("computetarget", "show", "cpu-cluster", "-w", "desk").code == 4


@pytest.mark.parametrize("name", [each for each in V1 if not each.startswith(NOT_HERE)])
def test_every_command_of_v1_is_there_with_every_flag_or_refused_by_name(name: str) -> None:
    words = name.split()
    group: Any = typer.main.get_command(az.program())
    for word in ("ml", *words):
        assert word in group.commands, f"az ml {name}"
        group = group.commands[word]
        if group.context_settings.get("ignore_unknown_options"):
            refused = command(az.program(), "ml", *words, "--whatever")
            assert (refused.code, word in refused.err) == (2, True)
            return
    known = {flag for each in group.params for flag in each.opts}
    missing = [flag for flags in V1[name] for flag in flags if flag not in known]
    assert not missing, f"az ml {name} lacks {missing}"
    assert isinstance(group, click.Command) or callable(group)


def test_short_commands_take_the_start_of_an_id_or_latest(shared: Desk, tmp_path: Path) -> None:
    source = shared.source("short", main=TALKS)
    here = ("-w", "desk")
    done = cli(
        *("submit", *here, "-e", "short", "--source-directory", source, "--memory", "1g"),
        *("--env", "GREETING=hi", "main.py", "word"),
    )
    assert done.code == 0
    run_id = cli("ps", *here, "-e", "short", "--last", 1).json()[0]["run_id"]

    assert cli("logs", "latest", *here).out == "hello word\n"
    assert cli("run", "show", run_id[:-3], *here).json()["run_id"] == run_id
    assert cli("files", run_id, *here).json() == [{"name": "user_logs/std_log.txt"}]
    assert cli("metrics", run_id, *here).json() == []
    written = cli("download", run_id, "user_logs", "-d", tmp_path / "got", *here).json()
    assert Path(written[0]["file"]).read_text() == "hello word\n"
    assert cli("download", run_id, "nothing", *here).code == 2
    assert "local" in cli("targets", *here, "--query", "[].name").json()
    assert cli("cancel", run_id, *here).json() == [{"run_id": run_id, "status": "Completed"}]
    several = cli("logs", "short", *here)
    both = cli("submit", *here, "-e", "short", "--source-directory", source, "main.py")
    assert (several.code, both.code) == (0, 0)
    refused = cli("logs", "short", *here)
    assert (refused.code, run_id in refused.err) == (2, True)
    assert cli("rm", "-y", run_id, *here).json() == [{"run": run_id, "deleted": 1}]
    assert cli("logs", run_id, *here).code == 4


def test_a_shell_value_that_is_not_there_and_an_odd_size_are_refused_by_name(shared: Desk) -> None:
    source = shared.source("odd", main=TALKS)
    words = ("submit", "-w", "desk", "--source-directory", source)

    assert "NOT_SET_ANYWHERE" in cli(*words, "--env", "NOT_SET_ANYWHERE", "main.py").err
    assert "--memory 'lots'" in cli(*words, "--memory", "lots", "main.py").err


def test_a_reader_that_closes_the_pipe_ends_the_command_quietly(shared: Desk) -> None:
    source = shared.source("many-lines", main="for n in range(50000): print(n)")
    command = [sys.executable, "-m", "dispatcher.cli.main", "run", "submit-script", "-e", "pipe"]
    with subprocess.Popen(
        [*command, "--path", str(shared.folder), "--source-directory", source, "main.py"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        errors = process.stderr.read()

    assert (process.returncode, "rror" in errors) == (141, False), errors
