"""`run submit-hyperdrive` and the sweep files of v1."""

import json
from pathlib import Path
from typing import Any

import pytest

from dispatcher.cli import main
from tests.rigs.desk import Desk
from tests.rigs.terminal import Answer, command

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


def cli(*words: object) -> Answer:
    return command(main.program(), *words)


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
