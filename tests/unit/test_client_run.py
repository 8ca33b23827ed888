"""Runs from the desk: submitted, watched, labelled, found; and those that the client drives."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from dispatcher import Experiment, Run, RunConfiguration, ScriptRun, ScriptRunConfig, wait_all
from dispatcher.client.errors import (
    ActivityFailedException,
    AzureMLException,
    ExperimentExecutionException,
    ServiceException,
    UserErrorException,
    WaitTimeoutError,
)
from dispatcher.client.v1.environments.environment import Environment
from dispatcher.client.v1.environments.parts import DockerBuildContext
from tests.unit.fake_service import FakeService, workspace_of


def later(act: object, *arguments: object, seconds: float = 0.2, **named: object) -> None:
    threading.Timer(seconds, act, arguments, named).start()  # type: ignore[arg-type]


def test_a_submitted_run_is_a_script_run_with_its_spec(
    fake: FakeService, experiment: Experiment, config: ScriptRunConfig
) -> None:
    run = experiment.submit(config, tags={"fruit": "apple", "n": 3})

    spec = fake.runs[run.id]["spec"]
    assert isinstance(run, ScriptRun)
    assert run.id.startswith("fruit_")
    assert (spec["script"], spec["arguments"]) == ("train.py", ["--lr", "0.1"])
    assert spec["snapshot"] in fake.manifests
    assert run.tags == {"fruit": "apple", "n": "3"}
    assert run.get_snapshot_id() == spec["snapshot"]


def test_a_run_keeps_the_configuration_it_was_submitted_with(
    fake: FakeService, experiment: Experiment, config: ScriptRunConfig
) -> None:
    run = experiment.submit(config)
    config.run_config.environment_variables["LATER"] = "1"
    config.arguments.append("--later")  # type: ignore[union-attr]

    assert "--later" not in fake.runs[run.id]["spec"]["arguments"]
    assert fake.runs[run.id]["spec"]["environment_variables"] == {}


@pytest.mark.parametrize("wrong", ["script", "target", "folder"])
def test_what_cannot_run_is_refused_at_submit(
    experiment: Experiment, config: ScriptRunConfig, wrong: str
) -> None:
    if wrong == "script":
        config.script = "gone.py"
    elif wrong == "target":
        config.run_config.target = "nowhere"
    else:
        config.source_directory = "/nonexistent"

    with pytest.raises(ExperimentExecutionException):
        experiment.submit(config)


def test_what_is_no_configuration_is_refused(experiment: Experiment) -> None:
    with pytest.raises(AzureMLException):
        experiment.submit(RunConfiguration())
    with pytest.raises(TypeError):
        experiment.submit(RunConfiguration(), show_output=True)


def test_many_configurations_go_with_one_request_and_one_snapshot(
    fake: FakeService, experiment: Experiment, config: ScriptRunConfig
) -> None:
    runs = experiment.submit_all([config] * 150)

    assert len({run.id for run in runs}) == 150
    assert fake.count("POST", "/runs") == 1
    assert fake.count("POST", "/snapshots") == 2
    assert runs[3].number == 4


def test_a_folder_to_build_from_is_uploaded_once_for_runs_that_share_a_configuration(
    fake: FakeService, experiment: Experiment, config: ScriptRunConfig, tmp_path: Path
) -> None:
    folder = tmp_path / "image"
    folder.mkdir()
    (folder / "Dockerfile").write_text("FROM scratch\n")
    context = DockerBuildContext.from_local_directory(experiment.workspace, str(folder))
    config.run_config.environment = Environment.from_docker_build_context("built", context)

    runs = experiment.submit_all([config] * 3)

    contexts = {fake.runs[run.id]["spec"]["environment"]["context"] for run in runs}
    assert len(contexts) == 1
    assert contexts <= set(fake.manifests)


def test_a_wait_ends_with_the_run(
    fake: FakeService, experiment: Experiment, config: ScriptRunConfig
) -> None:
    run = experiment.submit(config)
    later(fake.move, run.id, "Completed", ended_at="2026-01-01T00:01:00Z")

    details = run.wait_for_completion()

    assert (details["status"], details["runId"]) == ("Completed", run.id)
    assert details["endTimeUtc"].endswith("Z")
    assert "error" not in details
    assert details["runDefinition"]["arguments"] == ["--lr", "0.1"]


def test_the_answer_that_ends_a_wait_has_all_that_is_returned(
    fake: FakeService, experiment: Experiment, config: ScriptRunConfig
) -> None:
    run = experiment.submit(config)
    fake.print(run.id, "hello\n")
    fake.calls.clear()
    later(fake.move, run.id, "Completed")

    details = run.wait_for_completion()

    assert list(details["logFiles"]) == ["user_logs/std_log.txt"]
    assert [method for method, *_ in fake.calls] == ["GET", "GET"]  # how it is, how it ended
    assert run.get_details() == details


def test_only_a_failed_run_raises(
    fake: FakeService, experiment: Experiment, config: ScriptRunConfig
) -> None:
    failed, canceled = experiment.submit_all([config, config])
    fake.move(failed.id, "Failed", error={"error": {"code": "UserError", "message": "no luck"}})
    fake.move(canceled.id, "Canceled")

    with pytest.raises(ActivityFailedException, match="no luck"):
        failed.wait_for_completion()
    details = failed.wait_for_completion(raise_on_error=False)
    assert details["error"]["error"]["message"] == "no luck"
    assert canceled.wait_for_completion()["status"] == "Canceled"


def test_a_timeout_leaves_the_run_alone(
    fake: FakeService, experiment: Experiment, config: ScriptRunConfig
) -> None:
    run = experiment.submit(config)

    with pytest.raises(WaitTimeoutError, match="goes on"):
        run.wait_for_completion(timeout=0.05)
    assert fake.runs[run.id]["status"] == "Queued"


def test_all_runs_are_waited_for_with_one_request_at_a_time(
    fake: FakeService, experiment: Experiment, config: ScriptRunConfig
) -> None:
    runs = experiment.submit_all([config] * 20)
    for number, run in enumerate(runs):
        later(fake.move, run.id, "Failed" if number == 3 else "Completed")

    statuses = wait_all(runs)

    assert list(statuses) == [run.id for run in runs]
    assert statuses[runs[3].id] == "Failed"
    assert fake.count("POST", "/runs/wait") <= 3
    with pytest.raises(ActivityFailedException, match=runs[3].id):
        wait_all(runs, raise_on_error=True)


def test_a_terminal_status_is_not_asked_for_again(
    fake: FakeService, experiment: Experiment, config: ScriptRunConfig
) -> None:
    run = experiment.submit(config)
    fake.move(run.id, "Completed")
    assert run.get_status() == "Completed"
    asked = len(fake.calls)

    assert run.get_status() == run.status == "Completed"
    assert len(fake.calls) == asked


def test_streaming_prints_the_whole_log_in_v1s_layout(
    fake: FakeService,
    experiment: Experiment,
    config: ScriptRunConfig,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = experiment.submit(config)
    later(fake.print, run.id, "epoch 1 ü\n", seconds=0.1)
    later(fake.print, run.id, "epoch 2\n", seconds=0.3)
    later(fake.move, run.id, "Completed", seconds=0.5)

    run.wait_for_completion(show_output=True)

    name = "user_logs/std_log.txt"
    printed = capsys.readouterr().out
    assert printed.startswith(f"RunId: {run.id}\nWeb View: http")
    title = f"\n\nStreaming {name}\n{'=' * (len(name) + 10)}\n\nepoch 1 ü\nepoch 2\n"
    assert f"{title}\nExecution Summary\n=================\nRunId: {run.id}\n" in printed
    assert run.get_details_with_logs()["logFiles"] == {name: "epoch 1 ü\nepoch 2\n"}


def test_a_tags_value_that_is_not_a_text_is_kept_as_its_text_as_in_v1(
    experiment: Experiment, config: ScriptRunConfig
) -> None:
    run = experiment.submit(config)
    run.tag("number", 1)
    run.tag("flag", True)
    run.tag("list", [1, "a"])
    run.set_tags({"half": 0.5, "none": None})
    experiment.tag("rank", 3)

    assert run.get_tags() == {
        "number": "1",
        "flag": "True",
        "list": "[1, 'a']",
        "half": "0.5",
        "none": None,
    }
    assert experiment.tags["rank"] == "3"
    for odd in ("a\0b", "\ud800"):
        with pytest.raises(UserErrorException, match="number takes a text"):
            run.tag("number", odd)


def test_who_submitted_a_run_is_shown_whoever_reads_it(
    experiment: Experiment, config: ScriptRunConfig
) -> None:
    run = experiment.submit(config)

    assert run.submitted_by == "ada"
    assert run.get_details()["submittedBy"] == "ada"


def test_tags_change_and_properties_do_not(
    fake: FakeService, experiment: Experiment, config: ScriptRunConfig
) -> None:
    run = experiment.submit(config)
    run.tag("quality", "great")
    run.tag("quality", "fantastic")
    run.tag("worth another look")
    run.add_properties({"author": "me"})
    run.add_properties({"author": "me"})
    run.add_properties({})

    assert run.get_tags() == {"quality": "fantastic", "worth another look": None}
    with pytest.raises(ServiceException) as refused:
        run.add_properties({"author": "you"})
    assert refused.value.status_code == 409
    assert run.get_properties()["author"] == "me"
    run.remove_tags(["quality", "not there"])
    assert run.tags == {"worth another look": None}


def test_runs_are_found_newest_first_page_by_page(
    fake: FakeService, experiment: Experiment, config: ScriptRunConfig
) -> None:
    made = experiment.submit_all([config] * 230, tags={"k": "v=w"})
    made[0].tag("k", "other")
    made[1].tag("empty")

    found = experiment.get_runs()
    assert iter(found) is found
    assert [run.id for run in found] == [run.id for run in reversed(made)]
    assert len(list(experiment.get_runs(tags={"k": "v=w"}))) == 229
    assert [run.id for run in experiment.get_runs(tags="empty")] == [made[1].id]
    assert [run.id for run in experiment.get_runs(tags={"empty": None})] == [made[1].id]
    assert list(experiment.get_runs(tags={"k": None})) == []
    with pytest.raises(TypeError):
        experiment.get_runs(status="Queued")  # type: ignore[call-arg]
    assert len(list(Run.list(experiment, status="Queued"))) == 230


def test_a_run_that_starts_between_two_pages_is_found_once(
    fake: FakeService, experiment: Experiment, config: ScriptRunConfig
) -> None:
    made = experiment.submit_all([config] * 150)
    found = experiment.get_runs()
    seen = [next(found).id for _ in range(100)]
    # Started, it stands further down: two are on the second page that were on the first.
    fake.runs[made[149].id]["started_at"] = fake.runs[made[148].id]["started_at"] = "2026-01-01"
    fake.runs[made[149].id]["number"], fake.runs[made[148].id]["number"] = 0.5, 0.4
    seen += [run.id for run in found]
    assert len(seen) == len(set(seen))
    assert {run.id for run in made[:50]} - set(seen) == set()


def test_an_unknown_run_is_a_404(experiment: Experiment) -> None:
    with pytest.raises(ServiceException) as missing:
        Run.get(experiment.workspace, "x")
    assert missing.value.status_code == 404
    with pytest.raises(ServiceException):
        Run(experiment, "x")


def test_a_run_shows_itself_as_in_v1(experiment: Experiment, config: ScriptRunConfig) -> None:
    run = experiment.submit(config, run_id="mine")

    assert str(run) == (
        "Run(Experiment: fruit,\nId: mine,\nType: azureml.scriptrun,\nStatus: Queued)"
    )
    assert experiment.workspace.get_run("mine") == run
    assert run.get_detailed_status()["details"] == "needs 1 CPU; 0 are free"


def test_cancel_twice_is_fine(experiment: Experiment, config: ScriptRunConfig) -> None:
    run = experiment.submit(config)
    run.cancel()
    run.cancel()

    assert run.get_status() == "Canceled"


@pytest.mark.parametrize("name", ["", "-x", "a b", "ä", "x" * 256, "_x"])
def test_an_experiments_name_has_a_form(fake: FakeService, tmp_path: Path, name: str) -> None:
    with pytest.raises(UserErrorException):
        Experiment(workspace_of(fake, tmp_path), name)
    assert Experiment(workspace_of(fake, tmp_path), "a-B_9").id == "id-a-B_9"
