"""Sweeps as scripts of v1 submit them, on real runs."""

import json
from typing import Any

from dispatcher.client.run import Run
from dispatcher.client.sweeps.config import HyperDriveConfig, PrimaryMetricGoal
from dispatcher.client.sweeps.expressions import choice, quniform, uniform
from dispatcher.client.sweeps.run import HyperDriveRun
from dispatcher.client.sweeps.sampling import GridParameterSampling, RandomParameterSampling
from tests.rigs.desk import Desk

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
