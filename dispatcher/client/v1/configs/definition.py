"""Conversion of a run configuration into the spec and into v1's `runDefinition` (camelCase)."""

from __future__ import annotations

from dispatcher.client.v1.environments.definition import definition_of_environment
from dispatcher.client.v1.environments.recipe import to_build

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Union

    from dispatcher.client.v1.configs.run_configuration import DockerConfiguration, RunConfiguration

_EXAMPLE = ("EXAMPLE_ENV_VAR", "EXAMPLE_VALUE")
_MEGABYTES = {"k": 1 / 1024, "m": 1, "g": 1024, "t": 1024 * 1024}


def spec_of(
    config: RunConfiguration,
    script: Optional[str],
    arguments: Union[str, List[Any], None],
    command: Union[str, List[str], None],
) -> Dict[str, Any]:
    """The run spec. It shares nothing with the configuration: later changes do not reach it."""
    line = " ".join(command) if isinstance(command, list) else command or None
    texts = as_arguments(arguments)
    spec = {
        "type": "azureml.scriptrun",
        "target": config.target,
        "script": None if line else script,
        "command": line,
        "arguments": [] if line else texts,
        "interpreter": config.environment.python.interpreter_path or "python",
        "environment_variables": variables(config),
        "node_count": config.node_count,
        "start_method": config.start_method,
        "preload": list(config.preload),
        "child_policy": config.child_policy,
        "priority": config.priority or 0,
        "max_run_duration_seconds": config.max_run_duration_seconds,
        "output_collection": bool(config.history.output_collection),
        "directories_to_watch": [str(name) for name in config.history.directories_to_watch or ()],
        "definition": definition_of(config, script, texts if line else None, line),
        **_distribution(config),
        **_container(config),
    }
    recipe = to_build(config.environment)
    if recipe is not None:
        spec["environment"] = recipe
    for name in ("cpus", "gpus", "memory_mb", "grace_seconds"):
        if getattr(config, name) is not None:
            spec[name] = getattr(config, name)
    if config.max_retries:
        spec["max_retries"] = {"infra": 1, "resource": 0, "user": 0, **config.max_retries}
    return spec


def as_arguments(arguments: Union[str, List[Any], None]) -> List[str]:
    """Each argument as the process gets it; a single text is split as a shell would."""
    if isinstance(arguments, str):
        import shlex

        return shlex.split(arguments)
    return [str(argument) for argument in arguments or [] if argument is not None]


def variables(config: RunConfiguration) -> Dict[str, str]:
    """The environment variables of the process; the run configuration's win."""
    old = dict(config.environment.environment_variables or {})
    if old.get(_EXAMPLE[0]) == _EXAMPLE[1]:
        del old[_EXAMPLE[0]]
    return {str(k): str(v) for k, v in {**old, **(config.environment_variables or {})}.items()}


def definition_of(
    config: RunConfiguration,
    script: Optional[str],
    arguments: Optional[List[str]],
    command: Optional[str],
) -> Dict[str, Any]:
    """v1's `runDefinition`. Without `arguments` the service fills in the run's own."""
    return {
        "script": script,
        "command": command or "",
        "useAbsolutePath": False,
        **({} if arguments is None else {"arguments": arguments}),
        "sourceDirectoryDataStore": config.source_directory_data_store,
        "framework": config.framework,
        "communicator": config.communicator,
        "target": config.target,
        "dataReferences": {},
        "data": {},
        "outputData": {},
        "datacaches": [],
        "jobName": None,
        "maxRunDurationSeconds": config.max_run_duration_seconds,
        "nodeCount": config.node_count,
        "priority": config.priority,
        "credentialPassthrough": config.credential_passthrough,
        "environment": definition_of_environment(config.environment),
        "environmentVariables": variables(config),
        **_sections(config),
        "docker": _docker(config.docker),
    }


def _sections(config: RunConfiguration) -> Dict[str, Any]:
    return {
        "history": {
            "outputCollection": config.history.output_collection,
            "snapshotProject": config.history.snapshot_project,
            "directoriesToWatch": list(config.history.directories_to_watch),
        },
        "mpi": {
            "processCountPerNode": config.mpi.process_count_per_node,
            "nodeCount": config.mpi.node_count,
        },
        "pyTorch": {
            "communicationBackend": config.pytorch.communication_backend,
            "processCount": config.pytorch.process_count,
            "nodeCount": config.pytorch.node_count,
        },
        "tensorflow": {
            "workerCount": config.tensorflow.worker_count,
            "parameterServerCount": config.tensorflow.parameter_server_count,
        },
    }


def _docker(docker: DockerConfiguration) -> Dict[str, Any]:
    return {
        "useDocker": docker.use_docker,
        "sharedVolumes": docker.shared_volumes,
        "shmSize": docker.shm_size,
        "arguments": list(docker.arguments or []),
    }


def _distribution(config: RunConfiguration) -> Dict[str, Any]:
    if config.framework.lower() == "pytorch":
        return {"distribution": "pytorch", "process_count": config.pytorch.process_count}
    if config.communicator.lower().endswith("mpi"):
        count = config.mpi.process_count_per_node * config.node_count
        return {"distribution": "mpi", "process_count": count}
    if config.communicator.lower() == "parameterserver":
        workers = config.tensorflow.worker_count
        servers = config.tensorflow.parameter_server_count
        count = workers + servers
        return {
            "distribution": {
                "tensorflow": {"worker_count": workers, "parameter_server_count": servers}
            },
            "process_count": count,
            # A node for each worker; where the servers do not share these evenly, one for each.
            "node_count": workers if count % workers == 0 else count,
        }
    return {}


def _container(config: RunConfiguration) -> Dict[str, Any]:
    old, docker = config.environment.docker, config.docker
    fields: Dict[str, Any] = {}
    image = config.image or old.base_image
    if image:
        fields["image"] = image
    if docker.use_docker or old.enabled:
        chosen = docker if docker.use_docker else old
        fields["docker_arguments"] = list(chosen.arguments or [])
        if chosen.shm_size:
            fields["shm_mb"] = _megabytes(str(chosen.shm_size))
    return fields


def _megabytes(size: str) -> int:
    """Docker's way to write a size: "2g", "512m", plain bytes."""
    text = size.strip().lower().rstrip("b")
    unit = _MEGABYTES.get(text[-1:])
    if unit is None:
        return max(1, int(text) >> 20)
    return max(1, int(float(text[:-1]) * unit))
