"""Configurations: attributes, defaults, what is sent of them, and their files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dispatcher import (
    DockerConfiguration,
    Environment,
    MpiConfiguration,
    PyTorchConfiguration,
    RunConfiguration,
    ScriptRunConfig,
    TensorflowConfiguration,
)
from dispatcher.client.errors import RunConfigurationException, UserErrorException
from dispatcher.client.v1.configs.definition import as_arguments


class Named:
    name = "gpu-compute"


def spec(**arguments: Any) -> dict[str, Any]:
    return ScriptRunConfig(".", "train.py", **arguments).to_spec()


def test_an_unknown_attribute_is_refused() -> None:
    config = RunConfiguration()
    for section in (config, config.environment, config.environment.docker, config.docker):
        with pytest.raises(AttributeError, match="has no attribute 'tarrget'"):
            section.tarrget = "x"


def test_a_target_is_kept_as_its_name() -> None:
    config = RunConfiguration()
    config.target = Named()

    assert config.target == "gpu-compute"
    assert spec(compute_target=Named())["target"] == "gpu-compute"
    assert spec()["target"] == "local"


def test_a_given_run_config_is_kept_and_the_rest_ignored_with_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    config = RunConfiguration(script="own.py", arguments=["own"])
    made = ScriptRunConfig(".", run_config=config, compute_target="x")

    assert made.run_config is config
    assert (made.script, made.arguments) == ("own.py", ["own"])
    assert "compute_target" in caplog.text
    assert ScriptRunConfig(".", "a.py", ["b"], config).script == "a.py"
    assert made.to_spec()["max_run_duration_seconds"] is None
    assert spec()["max_run_duration_seconds"] == 2592000


@pytest.mark.parametrize(
    "wrong",
    [
        {"distributed_job_config": object()},
        {"docker_runtime_config": object()},
        {"run_config": "local"},
    ],
)
def test_the_wrong_kind_of_configuration_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(RunConfigurationException):
        ScriptRunConfig(".", "a.py", **wrong)


def test_only_nccl_and_gloo_are_backends() -> None:
    assert PyTorchConfiguration("GLOO").communication_backend == "GLOO"
    with pytest.raises(RunConfigurationException):
        PyTorchConfiguration("smoke")


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        (
            PyTorchConfiguration(process_count=4, node_count=2),
            {"distribution": "pytorch", "process_count": 4, "node_count": 2},
        ),
        (PyTorchConfiguration(), {"distribution": "pytorch", "process_count": None}),
        (
            MpiConfiguration(process_count_per_node=3, node_count=2),
            {"distribution": "mpi", "process_count": 6, "node_count": 2},
        ),
        (
            TensorflowConfiguration(worker_count=2, parameter_server_count=0),
            {
                "distribution": {"tensorflow": {"worker_count": 2, "parameter_server_count": 0}},
                "node_count": 2,
            },
        ),
    ],
)
def test_distributed_jobs_become_processes_and_nodes(job: Any, expected: dict[str, Any]) -> None:
    made = spec(distributed_job_config=job)

    assert {key: made[key] for key in expected} == expected


@pytest.mark.parametrize(
    ("arguments", "texts"),
    [
        (["--a", 1, 0.5, None, True, Path("x"), "b c"], ["--a", "1", "0.5", "True", "x", "b c"]),
        ("--a 'b c'", ["--a", "b c"]),
        (None, []),
    ],
)
def test_arguments_are_texts(arguments: Any, texts: list[str]) -> None:
    assert as_arguments(arguments) == texts


def test_a_command_takes_the_place_of_the_script() -> None:
    made = spec(command=["python", "a.py", "&&", "ls"])

    assert (made["command"], made["script"]) == ("python a.py && ls", None)
    assert made["definition"]["command"] == "python a.py && ls"
    with pytest.raises(TypeError):
        ScriptRunConfig(".", command=["a", 1]).check()  # type: ignore[list-item]


def test_the_run_configurations_variables_win() -> None:
    config = RunConfiguration()
    config.environment.environment_variables = {"A": "1", "B": "1"}
    config.environment_variables = {"B": "2"}

    assert ScriptRunConfig(".", "a.py", run_config=config).to_spec()["environment_variables"] == {
        "A": "1",
        "B": "2",
    }
    assert spec()["environment_variables"] == {}


def test_what_is_ours_is_sent_only_when_it_is_set() -> None:
    config = RunConfiguration()
    config.cpus, config.gpus, config.memory_mb = 0.5, 2, 512
    config.max_retries = {"user": 2}
    made = ScriptRunConfig(".", "a.py", run_config=config).to_spec()

    assert (made["cpus"], made["gpus"], made["memory_mb"]) == (0.5, 2, 512)
    assert made["max_retries"] == {"infra": 1, "resource": 0, "user": 2}
    assert not {"cpus", "gpus", "memory_mb", "max_retries", "image"} & spec().keys()


def test_docker_in_the_old_and_the_new_way() -> None:
    old = RunConfiguration()
    old.environment.docker.enabled = True
    old.environment.docker.base_image = "python:3.11"
    new = DockerConfiguration(use_docker=True, shm_size="512m", arguments=["--ipc=host"])

    made = ScriptRunConfig(".", "a.py", run_config=old).to_spec()
    assert (made["image"], made["shm_mb"]) == ("python:3.11", 2048)
    made = spec(docker_runtime_config=new)
    assert (made["shm_mb"], made["docker_arguments"]) == (512, ["--ipc=host"])


def test_image_and_dockerfile_exclude_each_other() -> None:
    docker = Environment("e").docker
    docker.base_image = "a"
    docker.base_dockerfile = "FROM b"
    assert [docker.base_image, docker.base_dockerfile] == [None, "FROM b"]


def test_an_environment_has_a_name_and_clones() -> None:
    with pytest.raises(TypeError):
        Environment(7)  # type: ignore[arg-type]
    one = Environment("one")
    other = one.clone("other")
    other.python.interpreter_path = "/x"
    assert (one.python.interpreter_path, other.name) == ("python", "other")
    with pytest.raises(UserErrorException):
        one.clone("")


def test_a_configuration_survives_its_file(tmp_path: Path) -> None:
    config = RunConfiguration("train.py", ["--lr", 0.1])
    config.target = "gpu-compute"
    config.environment_variables = {"my_Var": "1"}
    config.environment.docker.base_image = "python:3.11"
    config.environment.python.conda_dependencies = {"dependencies": ["python=3.11"]}
    config.node_count = 2
    config.save(str(tmp_path), "mine")

    text = (tmp_path / ".azureml" / "mine").read_text()
    found = RunConfiguration.load(str(tmp_path), "mine")
    assert "nodeCount: 2" in text
    assert "my_Var" in text
    assert (found.script, found.arguments, found.target) == (
        "train.py",
        ["--lr", 0.1],
        "gpu-compute",
    )
    assert found.environment_variables == {"my_Var": "1"}
    assert found.environment.docker.base_image == "python:3.11"
    assert found.environment.python.conda_dependencies is not None
    assert list(found.environment.python.conda_dependencies.conda_packages) == ["python=3.11"]
    assert found.node_count == 2


@pytest.mark.parametrize("name", [".azureml/x", ".azureml/x.runconfig", "x.runconfig", "x"])
@pytest.mark.parametrize(
    "text", ["script: a.py\nnodeCount: 3\n", "node_count: 3\nscript: a.py", '{"nodeCount": 3}']
)
def test_files_are_found_in_v1s_places_and_spellings(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(text)

    assert RunConfiguration.load(str(tmp_path), "x").node_count == 3
    assert RunConfiguration.load(str(tmp_path / name)).node_count == 3
    RunConfiguration.delete(str(tmp_path), "x")
    with pytest.raises(UserErrorException):
        RunConfiguration.load(str(tmp_path), "x")


def test_a_separate_environment_is_read_back(tmp_path: Path) -> None:
    config = RunConfiguration()
    config.environment.python.interpreter_path = "/x/python"
    config.save(str(tmp_path), "mine", separate_environment_yaml=True)

    found = RunConfiguration.load(str(tmp_path), "mine")
    assert (tmp_path / ".azureml" / "environment.yml").is_file()
    assert found.environment.python.interpreter_path == "/x/python"


def test_saving_needs_a_name_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UserErrorException):
        RunConfiguration().save(str(tmp_path))
    with pytest.raises(FileNotFoundError):
        RunConfiguration().save(str(tmp_path / "gone"), "mine")
