"""Sweeps beyond v1 on real runs: conditions, constraints, several metrics, generations."""

import csv
import json
from pathlib import Path
from typing import Any

from dispatcher.cli import main
from dispatcher.client.v1.sweeps.config import HyperDriveConfig, PrimaryMetricGoal
from dispatcher.client.v1.sweeps.expressions import choice, uniform
from dispatcher.client.v1.sweeps.run import HyperDriveRun
from dispatcher.client.v1.sweeps.sampling import HyperParameterSampling
from tests.rigs.desk import Desk
from tests.rigs.terminal import Answer, command

TRAIN = """
import json, sys
from azureml.core import Run

told = dict(zip(sys.argv[1::2], sys.argv[2::2]))
run = Run.get_context()
run.tag("given", json.dumps(sorted(told)))
size = float(told["--size"])
momentum = float(told.get("--momentum", 0.5))
for epoch in range(2):
    run.log("loss", (1 + momentum) / size + 1 / (epoch + 1))
    run.log("seconds", size * epoch)
"""
FILE: dict[str, Any] = {
    "script": "main.py",
    "cpus": 0.1,
    "experiment": "fronts",
    "sampling": {
        "type": "nsga-ii",
        "population_size": 4,
        "constraints": ["size * momentum <= 4", "optimizer == 'sgd' or size > 1"],
        "parameter_space": {
            "optimizer": ["choice", ["sgd", "adam"]],
            "momentum": ["uniform", [0, 1], {"optimizer": "sgd"}],
            "size": ["choice", [1, 2, 4, 8]],
        },
    },
    "primary_metric_name": ["loss", "seconds"],
    "primary_metric_goal": ["minimize", "minimize"],
    "max_total_runs": 12,
    "max_concurrent_runs": 3,
}


def cli(*words: object) -> Answer:
    return command(main.program(), "sweep", *words, "-w", "desk")


def test_a_sweep_of_conditions_constraints_and_two_metrics_finds_its_front(
    shared: Desk, tmp_path: Path
) -> None:
    (tmp_path / "main.py").write_text(TRAIN)
    file = tmp_path / "sweep.yaml"
    file.write_text(json.dumps(FILE))  # JSON is YAML
    first = cli("submit", file, "--dry-run", "-o", "json").json()
    assert all(("momentum" in cell) == (cell["optimizer"] == "sgd") for cell in first)
    answer = cli("submit", file)
    assert answer.code == 0, answer.err
    assert "are on the Pareto front" in answer.out
    [record] = shared.workspace.service.get("/runs", [("experiment", "fronts")])["runs"]
    run: Any = shared.workspace.get_run(record["id"])
    assert isinstance(run, HyperDriveRun)
    tried = {child: json.loads(text) for child, text in run.get_hyperparameters().items()}
    assert len(tried) == 12
    for child in run.get_children():
        cell = tried[child.id]
        assert json.loads(child.get_tags()["given"]) == sorted(f"--{name}" for name in cell)
        assert ("momentum" in cell) == (cell["optimizer"] == "sgd")
        assert cell["size"] * cell.get("momentum", 0) <= 4
        assert cell["optimizer"] == "sgd" or cell["size"] > 1
    front = run.get_pareto_front()
    points = [tuple(row["metrics"].values()) for row in front]
    losses = {
        child: (1 + cell.get("momentum", 0.5)) / cell["size"] for child, cell in tried.items()
    }
    for row in front:
        size, loss = tried[row["run_id"]]["size"], losses[row["run_id"]]
        assert row["metrics"] == {"loss": loss + 0.5, "seconds": size}
        assert not any(
            cell["size"] <= size and losses[child] < loss for child, cell in tried.items()
        )
    assert points == sorted(points)
    assert {row["run_id"] for row in cli("best", run.id, "-o", "json").json()} == {
        row["run_id"] for row in front
    }
    assert (
        cli("show", run.id, "-o", "json").json()["front"]
        == cli("best", run.id, "-o", "json").json()
    )
    best = run.get_best_run_by_primary_metric()
    assert best is not None
    assert best.id == front[0]["run_id"]
    assert cli("export", run.id, tmp_path / "out.csv").code == 0
    rows = list(csv.DictReader((tmp_path / "out.csv").open()))
    assert all((row["param.momentum"] == "") == (row["param.optimizer"] == "adam") for row in rows)
    assert cli("plot", run.id, "-d", tmp_path / "plots").code == 0


def test_a_sweep_by_cma_es_goes_from_generation_to_generation(shared: Desk) -> None:
    space = {"size": uniform(1, 9), "momentum": uniform(0, 1), "kind": choice("a", "b")}
    config = HyperDriveConfig(
        HyperParameterSampling("CMAES", space, {"population_size": 4}),
        "loss",
        PrimaryMetricGoal.MINIMIZE,
        max_total_runs=20,
        max_concurrent_runs=3,
        run_config=shared.config(shared.source("cma", main=TRAIN), cpus=0.1),
    )
    run = shared.experiment.submit(config)
    assert run.wait_for_completion(timeout=120)["status"] == "Completed"
    notes = {
        child.number: json.loads(child.get_properties()["sampler_generation"])
        for child in run.get_children()
    }
    assert len(notes) == 20
    assert max(note["generation"] for note in notes.values()) >= 2
    begun = [note for note in notes.values() if note["generation"] == 1 and "parents" in note]
    assert begun
    assert all(len(note["parents"]) == 4 for note in begun)
