"""Sweeps in files and from code say the same; what cannot be is refused by its field."""

import json
from pathlib import Path
from typing import Any

import numpy
import pytest

from dispatcher.cli.sweeps import config_of_file, file_of
from dispatcher.client.errors import UserErrorException
from dispatcher.client.v1.configs.script_run_config import ScriptRunConfig
from dispatcher.client.v1.sweeps.config import HyperDriveConfig, PrimaryMetricGoal
from dispatcher.client.v1.sweeps.errors import HyperDriveConfigException
from dispatcher.client.v1.sweeps.expressions import choice, only_where, uniform
from dispatcher.client.v1.sweeps.policies import MedianStoppingPolicy
from dispatcher.client.v1.sweeps.rehydrating import config_of
from dispatcher.client.v1.sweeps.sampling import HyperParameterSampling
from dispatcher.core.sweeps.sweep import Sampling

FILE: dict[str, Any] = {
    "script": "main.py",
    "sampling": {
        "type": "NSGA-II",
        "seed": 7,
        "constraints": ["batch * lr <= 0.1"],
        "population_size": 20,
        "parameter_space": {
            "optimizer": ["choice", ["sgd", "adam"]],
            "lr": ["uniform", [0, 1]],
            "momentum": ["uniform", [0, 0.99], {"optimizer": "sgd"}],
            "batch": ["choice", [1, 2]],
        },
    },
    "primary_metric_name": ["accuracy", "seconds"],
    "primary_metric_goal": ["maximize", "Minimize"],
    "max_total_runs": 20,
}
SPACE = {
    "optimizer": choice("sgd", "adam"),
    "lr": uniform(0, 1),
    "momentum": only_where(uniform(0, 0.99), optimizer="sgd"),
    "batch": choice(1, 2),
}
BOTH = [PrimaryMetricGoal.MAXIMIZE, PrimaryMetricGoal.MINIMIZE]


def read(folder: Path, **change: Any) -> HyperDriveConfig:
    (folder / "main.py").write_text("")
    script = ScriptRunConfig(str(folder), script="main.py")
    return config_of_file(file_of({**FILE, **change}, folder / "s.yaml"), folder / "s.yaml", script)


def written(folder: Path, **change: Any) -> HyperDriveConfig:
    properties = {"seed": 7, "constraints": ["batch * lr <= 0.1"], "population_size": 20}
    told: dict[str, Any] = {
        "hyperparameter_sampling": HyperParameterSampling("NSGAII", SPACE, properties),
        "primary_metric_name": ["accuracy", "seconds"],
        "primary_metric_goal": BOTH,
        "max_total_runs": 20,
        "run_config": ScriptRunConfig(str(folder), script="main.py"),
    }
    return HyperDriveConfig(**{**told, **change})


def test_a_file_says_what_code_says_and_the_service_takes_it(tmp_path: Path) -> None:
    of_file, of_code = read(tmp_path), written(tmp_path)
    assert of_file._sampling == of_code._sampling
    assert of_file._primary_metric_config == of_code._primary_metric_config
    assert of_file._further_metrics == [{"name": "seconds", "goal": "minimize"}]
    assert of_file._further_metrics == of_code._further_metrics
    taken = Sampling.model_validate(of_code._sampling.to_json())
    assert taken.space.conditions == {"momentum": {"optimizer": {'"sgd"'}}}
    assert taken.population_size == 20


def test_the_same_is_told_by_the_tags_of_the_run(tmp_path: Path) -> None:
    config = written(tmp_path)
    tags: dict[str, str | None] = {
        "_aml_system_generator_config": json.dumps(config._sampling.to_json()),
        "_aml_system_policy_config": json.dumps(config._policy.to_json()),
        "_aml_system_primary_metric_config": json.dumps(config._primary_metric_config),
        "_aml_system_further_metrics_config": json.dumps(config._further_metrics),
        "_aml_system_max_total_jobs": "20",
        "_aml_system_max_concurrent_jobs": "20",
        "_aml_system_max_duration_minutes": "60",
    }
    found = config_of("HD", tags)
    assert found._sampling == config._sampling
    assert found._further_metrics == config._further_metrics


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"primary_metric_goal": ["maximize"]}, "there are 1 for 2"),
        ({"primary_metric_goal": "maximize"}, "there are 1 for 2"),
        ({"primary_metric_name": []}, "primary_metric_name"),
        ({"primary_metric_name": ["a", "a"]}, "names a metric twice"),
        ({"primary_metric_name": "a"}, "primary_metric_goal"),
        ({"policy": {"type": "MedianStopping"}}, "policy: one compares by one metric"),
        ({"sampling": {**FILE["sampling"], "type": "magic"}}, "sampling.type"),
        ({"sampling": {**FILE["sampling"], "constraints": "a < 1"}}, "sampling.constraints"),
        ({"sampling": {**FILE["sampling"], "population_size": "x"}}, "sampling.population_size"),
        (
            {"sampling": {"type": "tpe", "parameter_space": {"m": ["uniform", [0, 1], {"o": 1}]}}},
            "m exists by 'o', which is not a parameter",
        ),
        (
            {"sampling": {"type": "tpe", "parameter_space": {"m": ["uniform", [0, 1], {}]}}},
            "only_where: name a parameter",
        ),
    ],
)
def test_a_file_that_cannot_be_is_refused_by_its_field(
    tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    with pytest.raises(UserErrorException) as refused:
        read(tmp_path, **change)
    assert reason in str(refused.value)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"primary_metric_goal": BOTH[:1]}, "there are 1 for 2"),
        ({"primary_metric_goal": [*BOTH, BOTH[0]]}, "there are 3 for 2"),
        ({"primary_metric_goal": BOTH[0]}, "there are 1 for 2"),
        ({"primary_metric_goal": ["maximize", "minimize"]}, "primary_metric_goal is a"),
        ({"primary_metric_name": ["a", 3]}, "primary_metric_name is a text"),
        ({"primary_metric_name": [], "primary_metric_goal": []}, "there are 0 for 0"),
        ({"policy": MedianStoppingPolicy()}, "one compares by one metric"),
    ],
)
def test_metrics_and_goals_that_do_not_match_are_refused(
    tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    with pytest.raises(HyperDriveConfigException) as refused:
        written(tmp_path, **change)
    assert reason in str(refused.value)


def test_a_condition_is_given_to_an_expression_once() -> None:
    assert only_where(choice(1, 2), a=[1], b="x") == ["choice", [[1, 2]], {"a": [1], "b": ["x"]}]
    for wrong in (3, only_where(choice(1), a=1), {"a": 1}):
        with pytest.raises(HyperDriveConfigException, match="only_where takes"):
            only_where(wrong, a=1)  # type: ignore[arg-type]
    with pytest.raises(HyperDriveConfigException, match="name a parameter"):
        only_where(choice(1))
    for space, reason in (
        ({"a": ["choice", [[1]], 3]}, "its condition is a dict"),
        ({"a": ["choice", [[1]], {"b": [1]}]}, "a exists by 'b', which is not a parameter"),
        ({"a": ["choice", [[1]], {"a": []}]}, "a exists for no value of a"),
    ):
        with pytest.raises(HyperDriveConfigException, match=reason):
            HyperParameterSampling("TPE", space)


def test_options_are_what_json_has_and_numbers_of_numpy_are_pythons() -> None:
    for told in (choice(numpy.array([1, 2])), choice(*numpy.array([1, 2])), choice(range(1, 3))):
        assert json.dumps(told) == '["choice", [[1, 2]]]'
    assert choice(None, "a", {"b": [1]}) == ["choice", [[None, "a", {"b": [1]}]]]
    for wrong in (float("nan"), float("inf"), object(), {1}):
        with pytest.raises(HyperDriveConfigException, match="is not an option"):
            choice(wrong)
