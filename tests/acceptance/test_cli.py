"""The command line against a real service: what it finds, changes, prints, and how it ends."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import typer
import yaml

from dispatcher.cli import az, main
from dispatcher.client.run import Run
from tests.rigs.desk import Desk
from tests.rigs.terminal import Answer, command

V1 = json.loads((Path(__file__).parent / "data" / "cli_v1.json").read_text())
# Environments have a test of their own; of `workspace create`, what makes Azure resources is not.
NOT_HERE = ("environment ", "workspace create")

TALKS = "import sys\nprint('hello', *sys.argv[1:])\nsys.exit('5' in sys.argv)\n"
WAITS = "import time\ntime.sleep(600)\n"


def cli(*words: object) -> Answer:
    return command(main.app, *words)


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
    monkeypatch.setattr("dispatcher.cli.runs.PAGE", 1)
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


@pytest.mark.parametrize("name", [each for each in V1 if not each.startswith(NOT_HERE)])
def test_every_command_of_v1_is_there_with_every_flag_or_refused_by_name(name: str) -> None:
    words = name.split()
    group: Any = typer.main.get_command(az.ml)
    for word in words:
        assert word in group.commands, f"az ml {name}"
        group = group.commands[word]
        if group.context_settings.get("ignore_unknown_options"):
            refused = command(az.app, "ml", *words, "--whatever")
            assert (refused.code, word in refused.err) == (2, True)
            return
    known = {flag for each in group.params for flag in each.opts}
    missing = [flag for flags in V1[name] for flag in flags if flag not in known]
    assert not missing, f"az ml {name} lacks {missing}"
    assert isinstance(group, click.Command) or callable(group)


SWEEP: dict[str, Any] = {
    "sampling": {
        "type": "Random",
        "parameter_space": [
            {"name": "--penalty", "expression": "choice", "values": [0.5, 1, 1.5]},
            {"name": "--rate", "expression": "uniform", "values": [0.1, 0.2]},
        ],
    },
    "policy": {"type": "BanditPolicy", "evaluation_interval": 1, "slack_factor": 0.2},
    "primary_metric_name": "Accuracy",
    "primary_metric_goal": "Maximize",
    "max_total_runs": 8,
    "max_concurrent_runs": 2,
    "max_duration_minutes": 100,
}


def space(*parameters: Any) -> dict[str, Any]:
    return {"sampling": {"type": "random", "parameter_space": list(parameters)}}


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"sampling": {"type": "grid", "parameter_space": {"a": ["choice", [[1, 2]]]}}},
        {"policy": {"type": "truncation_selection", "truncation_percentage": 50}},
    ],
)
def test_a_sweep_file_of_v1_is_carried_out(
    shared: Desk, tmp_path: Path, change: dict[str, Any]
) -> None:
    (tmp_path / "sweep.yml").write_text(json.dumps({**SWEEP, **change}))  # JSON is YAML
    (tmp_path / "main.py").write_text("")

    answer = cli(
        *("run", "submit-hyperdrive", "--hyperdrive-configuration-name", "sweep"),
        *("--path", tmp_path, "-w", "desk", "main.py", "--fixed", 1),
    )

    assert answer.code == 0, answer.err
    assert "Streaming azureml-logs/hyperdrive.txt" in answer.out


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"max_total_runs": 0}, "max_total_runs"),
        ({"max_concurrent_runs": 101}, "max_concurrent_runs"),
        ({"sampling": {"type": "magic", "parameter_space": {"a": 1}}}, "sampling.type"),
        (space({"name": "a", "expression": "dice", "values": []}), "expression"),
        (space({"name": "a", "expression": "uniform", "values": [1]}), "uniform"),
        (space({"name": "a", "expression": "choice", "values": []}), "choice"),
        (space(*[{"name": "a", "expression": "choice", "values": [1]}] * 2), "twice"),
        ({"primary_metric_goal": "best"}, "primary_metric_goal"),
        ({"unknown": 1}, "unknown"),
        ({"policy": {"type": "bandit"}}, "slack_factor"),
        ({"policy": {"type": "bandit", "slack_factor": 1, "colour": 2}}, "colour"),
        ({"policy": {"type": "TruncationSelectionPolicy", "truncation_percentage": 100}}, "99"),
    ],
)
def test_a_sweep_file_is_read_and_its_mistakes_are_named(
    shared: Desk, tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    (tmp_path / "sweep.yml").write_text(json.dumps({**SWEEP, **change}))  # JSON is YAML
    (tmp_path / "main.py").write_text("")

    answer = cli(
        *("run", "submit-hyperdrive", "--hyperdrive-configuration-name", "sweep"),
        *("--path", tmp_path, "-w", "desk", "main.py", "--fixed", 1),
    )

    assert answer.code == 2
    assert reason in answer.err
