"""The environment in a run's definition, v1's camelCase: written at submission, read of a run."""

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


def _environment_of(told: Dict[str, Any]) -> Environment:
    made = Environment(told.get("name") or "default-environment")
    made.version = told.get("version")
    made.environment_variables = dict(told.get("environmentVariables") or {})
    python, docker = told.get("python") or {}, told.get("docker") or {}
    made.python.interpreter_path = python.get("interpreterPath") or "python"
    made.python.user_managed_dependencies = bool(python.get("userManagedDependencies"))
    packages = python.get("condaDependencies")
    made.python.conda_dependencies = CondaDependencies(_underlying_structure=packages)
    made.docker.enabled = bool(docker.get("enabled"))
    made.docker.base_image = docker.get("baseImage")
    if docker.get("baseDockerfile"):
        made.docker.base_dockerfile = docker["baseDockerfile"]
    return made


def _packages(dependencies: Any) -> Any:
    packages = packages_of(dependencies)
    return None if packages is None else packages.as_dict()
