"""Sweeps as scripts of v1 submit them, on real runs."""

import json
from pathlib import Path
from typing import Any

import pytest

from dispatcher.client.errors import ExperimentExecutionException, UserErrorException
from dispatcher.client.v1.runs.run import Run
from dispatcher.client.v1.runs.run_details import RunDetails
from dispatcher.client.v1.sweeps.config import HyperDriveConfig, PrimaryMetricGoal
from dispatcher.client.v1.sweeps.expressions import choice, quniform, uniform
from dispatcher.client.v1.sweeps.policies import (
    BanditPolicy,
    MedianStoppingPolicy,
    TruncationSelectionPolicy,
)
from dispatcher.client.v1.sweeps.run import HyperDriveRun
from dispatcher.client.v1.sweeps.sampling import (
    BayesianParameterSampling,
    GridParameterSampling,
    RandomParameterSampling,
)
from tests.rigs.desk import Desk
from tests.rigs.waiting import until

TRAIN = """
import argparse
from azureml.core import Run

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int)
parser.add_argument("--lr", type=float)
parser.add_argument("--size", type=int)
args = parser.parse_args()
run = Run.get_context()
for epoch in range(args.epochs):
    run.log("loss", args.size * args.lr + 1 / (epoch + 1))
"""


# Logs six times and ends; a run whose level is bad stays at interval 3 until it is ended.
JUDGED = """
import sys, time
from azureml.core import Run

level = float(sys.argv[sys.argv.index("--level") + 1])
bad = float(sys.argv[sys.argv.index("--bad") + 1])
run = Run.get_context()
for epoch in range(6):
    run.log("score", level + epoch / 1000)
    if epoch == 2 and level == bad:
        time.sleep(300)
"""

FRAGILE = """
import os, sys, time
from azureml.core import Run

number = int(sys.argv[3])
Run.get_context().log("m", number)
while number == 4 and not os.path.exists(sys.argv[1]):
    time.sleep(0.1)
if number % 2 and not os.path.exists(sys.argv[1]):
    sys.exit(3)
"""


# Its first attempt fails once the sweep is submitted; the second one finds that sweep.
PARENT = """
import os, sys
from azureml.core import Run, ScriptRunConfig
from azureml.train.hyperdrive import (
    GridParameterSampling, HyperDriveConfig, PrimaryMetricGoal, choice
)

with open("note.txt", "w") as file:  # the folder is another one the next time
    file.write(os.environ["DISPATCHER_ATTEMPT"])
run = Run.get_context()
script = ScriptRunConfig(".", "train.py", ["--epochs", 1, "--size", 1], compute_target="local")
for rates in ((1, 2), (1, 2), (3,)):
    sweep = run.submit_child(HyperDriveConfig(
        GridParameterSampling({"lr": choice(*rates)}), "loss", PrimaryMetricGoal.MINIMIZE, 9,
        run_config=script))
    print("sweep", sweep.id, flush=True)
if os.environ["DISPATCHER_ATTEMPT"] == "1":
    sys.exit(3)
sweep.wait_for_completion()
"""


def sweep(desk: Desk, sampling: Any, total: int, **fields: Any) -> HyperDriveConfig:
    script = desk.config(desk.source("train", main=TRAIN), "--epochs", 2, cpus=0.1)
    told = {"primary_metric_name": "loss", "primary_metric_goal": PrimaryMetricGoal.MINIMIZE}
    return HyperDriveConfig(sampling, max_total_runs=total, run_config=script, **{**told, **fields})


def test_a_grid_tries_every_combination_once_and_ends_early(shared: Desk) -> None:
    space = {"lr": choice(0.5, 1.0), "--size": choice(1, 2, 3)}
    run = shared.experiment.submit(
        sweep(shared, GridParameterSampling(space), 50, max_concurrent_runs=3)
    )
    assert isinstance(run, HyperDriveRun)
    details = run.wait_for_completion(timeout=120)
    assert (details["status"], run.type) == ("Completed", "hyperdrive")
    children = run.get_children_sorted_by_primary_metric()
    assert [child["status"] for child in children] == ["Completed"] * 6
    cells = [json.loads(child["hyperparameters"]) for child in children]
    assert sorted((c["lr"], c["--size"]) for c in cells) == [
        (lr, size) for lr in (0.5, 1.0) for size in (1, 2, 3)
    ]
    values = [child["best_primary_metric"] for child in children]
    assert values == sorted(values)
    assert values[0] == 1.0
    best = run.get_best_run_by_primary_metric()
    assert isinstance(best, Run)
    assert best.id == children[0]["run_id"]
    assert best.get_details()["runDefinition"]["arguments"] == [
        *("--epochs", "2", "--lr", "0.5", "--size", "1")
    ]
    assert {child["run_id"] for child in children} == {f"{run.id}_{n}" for n in range(6)}
    assert run.properties["best_child_run_id"] == best.id
    shown = RunDetails(run).get_widget_data()
    assert (shown["status"], set(shown["children_metrics"])) == (
        "Completed",
        {f"{run.id}_{n}" for n in range(6)},
    )


def test_a_random_sweep_makes_as_many_trials_as_asked_and_gives_v1s_arguments(
    shared: Desk,
) -> None:
    space = {"lr": uniform(0, 1), "size": quniform(10, 20, 5)}
    run = shared.experiment.submit(
        sweep(shared, RandomParameterSampling(space), 5, max_concurrent_runs=2)
    )
    run.wait_for_completion(timeout=120)
    told = {key: json.loads(value) for key, value in run.get_hyperparameters().items()}
    assert set(told) == {f"{run.id}_{n}" for n in range(5)}
    for child in run.get_children():
        arguments = child.get_details()["runDefinition"]["arguments"]
        cell = told[child.id]
        assert arguments[2:] == ["--lr", str(cell["lr"]), "--size", str(int(cell["size"]))]
        assert 0 <= cell["lr"] < 1
        assert cell["size"] in (10.0, 15.0, 20.0)
    assert set(run.get_metrics()) == set(told)


@pytest.mark.parametrize("goal", [PrimaryMetricGoal.MAXIMIZE, PrimaryMetricGoal.MINIMIZE])
@pytest.mark.parametrize(
    "policy",
    [
        BanditPolicy(evaluation_interval=3, slack_factor=0.5),
        BanditPolicy(evaluation_interval=1, slack_amount=0.5, delay_evaluation=3),
        MedianStoppingPolicy(evaluation_interval=3),
        TruncationSelectionPolicy(25, evaluation_interval=3),
    ],
    ids=["factor", "amount", "median", "truncation"],
)
def test_the_bad_trial_is_ended_at_its_evaluation_and_the_good_finish(
    shared: Desk, policy: Any, goal: PrimaryMetricGoal
) -> None:
    up = goal is PrimaryMetricGoal.MAXIMIZE
    bad, best = (0.1, 0.9) if up else (0.9, 0.1)
    script = shared.config(shared.source("judged", main=JUDGED), "--bad", bad, cpus=0.1)
    config = HyperDriveConfig(
        GridParameterSampling({"level": choice(0.5, 0.55, best, bad)}),
        "score",
        goal,
        max_total_runs=4,
        max_concurrent_runs=2,
        policy=policy,
        run_config=script,
    )
    run = shared.experiment.submit(config)
    assert run.wait_for_completion(timeout=120)["status"] == "Completed"
    by_level = {
        json.loads(child["hyperparameters"])["level"]: child
        for child in run.get_children_sorted_by_primary_metric()
    }
    statuses = {level: child["status"] for level, child in by_level.items()}
    assert (statuses[bad], statuses[best]) == ("Canceled", "Completed")
    if not isinstance(policy, MedianStoppingPolicy):  # it may meet whoever is below the middle
        assert (statuses[0.5], statuses[0.55]) == ("Completed", "Completed")
    ended = shared.view(by_level[bad]["run_id"])
    name = policy.to_json()["name"]
    assert ended["tags"]["_aml_system_ended_by"] == f"{name} at interval 3"
    won = run.get_best_run_by_primary_metric()
    assert won is not None
    assert won.id == by_level[best]["run_id"] == run.properties["best_child_run_id"]


def test_a_bayesian_sweep_comes_closer_than_its_random_start(shared: Desk) -> None:
    space = {"lr": uniform(0, 1), "size": choice(1, 2, 3, 4)}
    config = sweep(shared, BayesianParameterSampling(space), 30, max_concurrent_runs=4)
    run = shared.experiment.submit(config)
    run.wait_for_completion(timeout=200)
    table = run.get_children_sorted_by_primary_metric()
    assert len(table) == 30
    values = {row["run_id"].rpartition("_")[2]: row["best_primary_metric"] for row in table}
    start = [values[str(n)] for n in range(10)]
    end = [values[str(n)] for n in range(20, 30)]
    assert sum(end) < sum(start)


def test_a_sweep_streams_its_log_and_its_table(
    shared: Desk, capfd: pytest.CaptureFixture[str]
) -> None:
    config = sweep(shared, GridParameterSampling({"lr": choice(1, 2), "size": choice(1)}), 9)
    run = shared.experiment.submit(config)
    run.wait_for_completion(show_output=True, timeout=60)
    told = capfd.readouterr().out
    assert "Streaming azureml-logs/hyperdrive.txt" in told
    assert f"{run.id}_1 is queued with" in told
    assert "2 Completed; best 1.5 of" in told
    found = Run.get(shared.workspace, run.id)
    assert isinstance(found, HyperDriveRun)
    assert found.hyperdrive_config._max_total_runs == 9
    assert found.hyperdrive_config._sampling.to_json() == config._sampling.to_json()


def test_a_paused_sweep_starts_nothing_and_an_extended_one_goes_on(shared: Desk) -> None:
    config = sweep(
        shared, RandomParameterSampling({"lr": uniform(0, 1), "size": choice(1)}), 200,
        max_concurrent_runs=2,
    )  # fmt: skip
    run = shared.experiment.submit(config)
    until(lambda: run.progress()["trials"].get("Completed", 0) >= 2, "two have completed")
    run.pause()
    until(lambda: set(run.progress()["trials"]) == {"Completed"}, "nothing runs any more")
    made = sum(run.progress()["trials"].values())
    assert made < 200
    assert run.get_status() == "Running"
    run.cancel()
    assert run.wait_for_completion(timeout=30)["status"] == "Canceled"
    assert sum(run.progress()["trials"].values()) == made
    small = shared.experiment.submit(
        sweep(shared, RandomParameterSampling({"lr": uniform(0, 1), "size": choice(1)}), 1)
    )
    small.pause()
    small.extend(2)
    small.resume()
    small.wait_for_completion(timeout=60)
    assert len(small.get_hyperparameters()) == 3


def test_a_failed_trial_is_tried_again_when_asked_and_never_by_itself(
    shared: Desk, tmp_path: Path
) -> None:
    healed = tmp_path / "healed"
    script = shared.config(shared.source("fragile", main=FRAGILE), healed, cpus=0.1)
    config = HyperDriveConfig(
        GridParameterSampling({"number": choice(0, 1, 2, 3, 4)}), "m",
        PrimaryMetricGoal.MAXIMIZE, 5, max_concurrent_runs=4, run_config=script,
    )  # fmt: skip
    run = shared.experiment.submit(config, run_id="HD_fragile")
    until(lambda: run.progress()["trials"].get("Failed", 0) == 2, "two have failed")
    run.retry_failed()
    until(lambda: run.progress()["trials"].get("Failed", 0) == 4, "they have failed again")
    healed.touch()
    run.retry_failed()
    assert run.wait_for_completion(timeout=60)["status"] == "Completed"
    told = run.get_hyperparameters().items()
    tried = {key: json.loads(value)["number"] for key, value in told}
    assert [tried[f"HD_fragile_{n}"] for n in range(9)] == [0, 1, 2, 3, 4, 1, 3, 1, 3]
    assert run.progress()["trials"] == {"Completed": 5, "Failed": 4}
    with pytest.raises(UserErrorException, match="Completed and cannot be changed"):
        run.extend(1)


def test_cancel_ends_the_sweep_and_its_trials(shared: Desk) -> None:
    script = shared.config(shared.source("judged", main=JUDGED), "--bad", 1, cpus=0.1)
    config = HyperDriveConfig(
        GridParameterSampling({"level": choice(1)}), "score", PrimaryMetricGoal.MAXIMIZE, 1,
        run_config=script,
    )  # fmt: skip
    run = shared.experiment.submit(config)
    until(lambda: run.progress()["trials"].get("Running", 0) == 1, "it runs")
    run.cancel()
    run.wait_for_completion(timeout=30)
    [child] = run.get_children()
    child.wait_for_completion(timeout=30)
    assert (run.get_status(), child.get_status()) == ("Canceled", "Canceled")


def test_the_time_of_a_sweep_ends_it_with_what_runs(shared: Desk) -> None:
    script = shared.config(shared.source("judged", main=JUDGED), "--bad", 1, cpus=0.1)
    config = HyperDriveConfig(
        GridParameterSampling({"level": choice(1, 2, 3)}), "score", PrimaryMetricGoal.MAXIMIZE, 3,
        max_concurrent_runs=1, run_config=script,
    )  # fmt: skip
    config._max_duration_minutes = 0.05  # type: ignore[assignment]  # v1's are whole ones
    run = shared.experiment.submit(config)
    assert run.wait_for_completion(timeout=60)["status"] == "Completed"
    assert [child["status"] for child in run.get_children_sorted_by_primary_metric()] == [
        "Canceled"
    ]


def test_a_sweep_whose_metric_never_comes_ends_by_its_trials(shared: Desk) -> None:
    space = {"lr": choice(1, 2), "size": choice(1)}
    config = sweep(shared, GridParameterSampling(space), 2, primary_metric_name="never")
    run = shared.experiment.submit(config)
    assert run.wait_for_completion(timeout=60)["status"] == "Completed"
    assert run.get_best_run_by_primary_metric() is None
    assert run.get_children_sorted_by_primary_metric(discard_no_metric=True) == []
    assert run.properties["best_metric_status"] == "NoMetric"


def test_a_grid_goes_on_from_another_with_what_that_has_not_done(shared: Desk) -> None:
    small = GridParameterSampling({"lr": choice(1, 2), "size": choice(1)})
    large = GridParameterSampling({"lr": choice(1, 2, 3), "size": choice(1)})
    first = shared.experiment.submit(sweep(shared, small, 9))
    first.wait_for_completion(timeout=60)
    second = shared.experiment.submit(sweep(shared, large, 9, resume_from=first))
    second.wait_for_completion(timeout=60)
    [(_, cell)] = second.get_hyperparameters().items()
    assert json.loads(cell) == {"lr": 3, "size": 1}
    best = second.get_best_run_by_primary_metric()
    assert best is not None
    assert best.id.startswith(first.id)
    alone = second.get_best_run_by_primary_metric(include_resume_from_runs=False)
    assert alone is not None
    assert alone.id == f"{second.id}_0"
    again = sweep(shared, large, 9, resume_child_runs=[alone])
    third = shared.experiment.submit(again)
    third.wait_for_completion(timeout=60)
    tried = [json.loads(value)["lr"] for value in third.get_hyperparameters().values()]
    assert tried == [3, 1, 2]


def test_a_sweep_on_a_target_that_is_not_there_is_refused(shared: Desk) -> None:
    config = sweep(shared, GridParameterSampling({"lr": choice(1), "size": choice(1)}), 1)
    assert config.run_config is not None
    config.run_config.run_config.target = "moon"
    with pytest.raises(ExperimentExecutionException, match="moon"):
        shared.experiment.submit(config)


def test_a_parent_that_is_started_again_finds_its_sweeps(shared: Desk) -> None:
    config = shared.config(shared.source("starts_sweeps", main=PARENT, train=TRAIN))
    config.run_config.max_retries = {"user": 1}
    parent = shared.experiment.submit(config)
    parent.wait_for_completion(timeout=120)
    assert shared.view(parent.id)["attempt"] == 2
    sweeps = list(parent.get_children(type="hyperdrive"))
    assert len(sweeps) == 3  # of two that are alike each is one of its own
    for found in sweeps:
        found.wait_for_completion(timeout=60)
    trials = sorted(len(each.get_hyperparameters()) for each in sweeps)
    assert trials == [1, 2, 2]


def test_a_key_names_a_sweep_within_its_parent(shared: Desk) -> None:
    parent = shared.experiment.start_logging()
    space = {"lr": choice(1), "size": choice(1)}
    config = sweep(shared, GridParameterSampling(space), 1)
    first = parent.submit_child(config, key="tuning")
    assert parent.submit_child(config, key="tuning").id == first.id
    other = sweep(shared, GridParameterSampling(space), 2)
    with pytest.raises(ExperimentExecutionException, match=r"'tuning'.*another configuration"):
        parent.submit_child(other, key="tuning")
    first.wait_for_completion(timeout=60)
    assert [child.id for child in parent.get_children()] == [first.id]
    parent.complete()


def test_a_cell_of_another_space_is_refused_by_its_place(shared: Desk) -> None:
    space = {"lr": choice(1), "size": choice(1)}
    first = shared.experiment.submit(sweep(shared, GridParameterSampling(space), 1))
    first.wait_for_completion(timeout=60)
    [child] = first.get_children()
    other = GridParameterSampling({"rate": choice(1)})
    with pytest.raises(ExperimentExecutionException) as told:
        shared.experiment.submit(sweep(shared, other, 1, resume_child_runs=[child]))
    assert told.value.message == "first.0: a cell names rate, not lr, size"
