"""Conversion between an environment and the `environment` of a run's definition (camelCase)."""

from __future__ import annotations

from dispatcher.client.errors import UserErrorException
from dispatcher.client.v1.environments.conda_dependencies import CondaDependencies, packages_of
from dispatcher.client.v1.environments.environment import Environment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional


def definition_of_environment(environment: Environment) -> Dict[str, Any]:
    """v1's `environment` of a run's definition."""
    python, docker = environment.python, environment.docker
    return {
        "name": environment.name,
        "version": environment.version,
        "python": {
            "interpreterPath": python.interpreter_path,
            "userManagedDependencies": python.user_managed_dependencies,
            "condaDependencies": _packages(python.conda_dependencies),
            "condaDependenciesFile": python.conda_dependencies_file,
            "baseCondaEnvironment": python.base_conda_environment,
        },
        "environmentVariables": dict(environment.environment_variables or {}),
        "docker": {
            "enabled": docker.enabled,
            "baseImage": docker.base_image,
            "baseDockerfile": docker.base_dockerfile,
            "sharedVolumes": docker.shared_volumes,
            "shmSize": docker.shm_size,
            "arguments": list(docker.arguments or []),
        },
        "inferencingStackVersion": environment.inferencing_stack_version,
    }


def environment_of_run(definition: Optional[Dict[str, Any]]) -> Environment:
    """The environment of a run's definition.

    Raises:
        UserErrorException: The run has none: it is interactive.
    """
    if not definition:
        raise UserErrorException("An interactive run has no environment.")
    return _environment_of(definition.get("environment") or {})


def _environment_of(fields: Dict[str, Any]) -> Environment:
    environment = Environment(fields.get("name") or "default-environment")
    environment.version = fields.get("version")
    environment.environment_variables = dict(fields.get("environmentVariables") or {})
    python, docker = fields.get("python") or {}, fields.get("docker") or {}
    environment.python.interpreter_path = python.get("interpreterPath") or "python"
    environment.python.user_managed_dependencies = bool(python.get("userManagedDependencies"))
    packages = python.get("condaDependencies")
    environment.python.conda_dependencies = CondaDependencies(_underlying_structure=packages)
    environment.docker.enabled = bool(docker.get("enabled"))
    environment.docker.base_image = docker.get("baseImage")
    if docker.get("baseDockerfile"):
        environment.docker.base_dockerfile = docker["baseDockerfile"]
    return environment


def _packages(dependencies: Any) -> Any:
    packages = packages_of(dependencies)
    return None if packages is None else packages.as_dict()
