"""ScriptRunConfig: a script, its folder and how it is to be run."""

from __future__ import annotations

import os

from dispatcher.client import checks
from dispatcher.client.absolute_path import absolute
from dispatcher.client.errors import (
    ExperimentExecutionException,
    RunConfigurationException,
    UserErrorException,
)
from dispatcher.client.v1.configs.run_configuration import DockerConfiguration, RunConfiguration
from dispatcher.client.v1.environments.environment import Environment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Union

_IGNORED = (
    "compute_target",
    "environment",
    "distributed_job_config",
    "max_run_duration_seconds",
    "docker_runtime_config",
)


class ScriptRunConfig:
    """A script to run.

    Args:
        source_directory: The folder that the run gets a copy of.
        script: The script, relative to it.
        arguments: A list of anything (each passed as `str(x)`; None is dropped), or one text.
        run_config: A RunConfiguration. With it compute_target, environment,
            distributed_job_config, max_run_duration_seconds and docker_runtime_config are ignored
            with a warning; script, arguments and command given here win over its own.
        compute_target: The target, by name or as an object; default "local".
        environment: The environment.
        distributed_job_config: A PyTorch-, Mpi- or TensorflowConfiguration.
        resume_from: v1's data path; refused.
        max_run_duration_seconds: The longest that the run may take; default 30 days.
        command: A shell command, as a text or a list of texts, instead of script and arguments.
        docker_runtime_config: A DockerConfiguration.

    Raises:
        RunConfigurationException: A configuration object is of the wrong kind.
        UserErrorException: `resume_from` is given.
    """

    MAX_DURATION_SECONDS_DEFAULT = 2592000

    def __init__(
        self,
        source_directory: str,
        script: Optional[str] = None,
        arguments: Union[str, List[Any], None] = None,
        run_config: Optional[RunConfiguration] = None,
        _telemetry_values: Any = None,
        compute_target: Any = None,
        environment: Optional[Environment] = None,
        distributed_job_config: Any = None,
        resume_from: Any = None,
        max_run_duration_seconds: Optional[int] = MAX_DURATION_SECONDS_DEFAULT,
        command: Union[str, List[str], None] = None,
        docker_runtime_config: Optional[DockerConfiguration] = None,
    ) -> None:
        checks.paths(source_directory=source_directory or ".")
        checks.texts_or_none(script=script)
        checks.number("max_run_duration_seconds", max_run_duration_seconds, 0)
        _check_words(arguments=arguments, command=command)
        if resume_from is not None:
            raise UserErrorException("resume_from is not supported; pass the path as an argument.")
        self.source_directory = os.fspath(source_directory) if source_directory else "."
        settings = {
            "compute_target": compute_target,
            "environment": environment,
            "distributed_job_config": distributed_job_config,
            "max_run_duration_seconds": max_run_duration_seconds,
            "docker_runtime_config": docker_runtime_config,
        }
        self.run_config = (
            _new_configuration(settings)
            if run_config is None
            else _checked_configuration(run_config, settings)
        )
        self.script = script if script is not None else self.run_config.script
        self.arguments = arguments if arguments else (self.run_config.arguments or arguments)
        self.command = command or self.run_config.command or None

    def check(self) -> None:
        """Raise what a submission of this configuration would raise before it reads a file.

        Raises:
            ExperimentExecutionException: The folder or the script is missing, or no target named.
            TypeError: A command list holds something that is not a string.
        """
        folder = absolute(self.source_directory)
        if not os.path.isdir(folder):
            raise ExperimentExecutionException(f"The source directory {folder} does not exist.")
        if not self.run_config.target:
            raise ExperimentExecutionException("No compute target: set target or compute_target.")
        _refuse_data(self.run_config)
        if isinstance(self.command, list):
            checks.lists_of_texts(command=self.command)
        if self.command:
            return
        if not self.script:
            raise ExperimentExecutionException("There is nothing to run: give script or command.")
        path = os.path.join(folder, self.script)
        inside = absolute(path).startswith(os.path.join(folder, ""))
        if not os.path.isfile(path) or not inside:
            raise ExperimentExecutionException(
                f"The script {self.script!r} is not a file in the source directory {folder}."
            )

    def to_spec(self) -> Dict[str, Any]:
        """The run spec of this configuration as it is now, without id, experiment and snapshot."""
        from dispatcher.client.v1.configs.definition import spec_of

        return spec_of(self.run_config, self.script, self.arguments, self.command)

    def __repr__(self) -> str:
        return (
            f"ScriptRunConfig(source_directory={self.source_directory!r}, "
            f"script={self.script!r}, target={self.run_config.target!r})"
        )


def _check_words(**arguments: object) -> None:
    for name, value in arguments.items():
        if value is not None and not isinstance(value, (str, list, tuple)):
            checks.refuse(name, "a list or a text", value)


def _refuse_data(config: RunConfiguration) -> None:
    for name in ("data", "data_references", "output_data", "datacaches"):
        if getattr(config, name, None):
            raise UserErrorException(
                f"run_config.{name}: there are no datasets and datastores; pass paths as script "
                "arguments, and write results to ./outputs."
            )


def _new_configuration(settings: Dict[str, Any]) -> RunConfiguration:
    config = RunConfiguration()
    target = settings["compute_target"]
    if target is not None and not isinstance(getattr(target, "name", target), str):
        checks.refuse("compute_target", "a compute target or its name", target)
    config.target = target or "local"
    if settings["environment"] is not None:
        checks.instance("environment", settings["environment"], Environment)
    config.max_run_duration_seconds = settings["max_run_duration_seconds"]
    if settings["environment"] is not None:
        config.environment = settings["environment"]
    docker = settings["docker_runtime_config"]
    if docker is not None and not isinstance(docker, DockerConfiguration):
        raise RunConfigurationException(
            f"docker_runtime_config is a DockerConfiguration, not a {type(docker).__name__}"
        )
    config.docker = docker or _old_docker(config.environment)
    if settings["distributed_job_config"] is not None:
        config.distribute(settings["distributed_job_config"])
    return config


def _old_docker(environment: Environment) -> DockerConfiguration:
    old = environment.docker
    return DockerConfiguration(old.enabled, old.shared_volumes, old.arguments, old.shm_size)


def _checked_configuration(
    run_config: RunConfiguration, settings: Dict[str, Any]
) -> RunConfiguration:
    if not isinstance(run_config, RunConfiguration):
        raise RunConfigurationException(
            f"run_config is a RunConfiguration, not a {type(run_config).__name__}; load one by "
            "name with RunConfiguration.load(path, name)."
        )
    default = {"max_run_duration_seconds": ScriptRunConfig.MAX_DURATION_SECONDS_DEFAULT}
    ignored = [name for name in _IGNORED if settings[name] != default.get(name)]
    if ignored:
        import logging

        logging.getLogger("dispatcher").warning(
            "run_config is given, so these arguments of ScriptRunConfig are ignored: %s",
            ", ".join(ignored),
        )
    return run_config
