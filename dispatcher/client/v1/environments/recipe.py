"""The recipe of an environment's build as the service takes it; most environments need none."""

from __future__ import annotations

import os

from dispatcher.client.errors import UserErrorException
from dispatcher.client.v1.environments.conda_dependencies import (
    PYTHON_VERSION,
    CondaDependencies,
    packages_of,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional

    from dispatcher.client.v1.environments.environment import Environment

# What a run has in any case: v1's own packages, which are not installed.
_OURS = "azureml"


def to_build(environment: Environment) -> Optional[Dict[str, Any]]:
    """The recipe of the build, or None if the run can start with what its target has.

    Raises:
        UserErrorException: The environment asks for what cannot be built.
    """
    recipe: Dict[str, Any] = {}
    if not environment.python.user_managed_dependencies:
        recipe.update(_packages(environment))
    if environment.docker.base_dockerfile:
        recipe["dockerfile"] = environment.docker.base_dockerfile
    context = environment.docker.build_context
    if context is not None:
        recipe["dockerfile"], recipe["context"] = _dockerfile_of(context), context.location
    if not recipe:
        return None
    return {"name": environment.name, **recipe}


def _dockerfile_of(context: Any) -> str:
    """The Dockerfile of a folder. Its files are uploaded when a run is submitted."""
    from dispatcher.client.v1.environments.files import text_of

    location, name = getattr(context, "location", None), getattr(context, "dockerfile_path", "")
    if getattr(context, "location_type", None) not in (None, "localfile") or not location:
        raise UserErrorException(
            "docker.build_context: only folders of this machine can be built from; make one with "
            "DockerBuildContext.from_local_directory(workspace, path)."
        )
    path = os.path.join(location, name)
    if not os.path.isfile(path):
        raise UserErrorException(f"docker.build_context: there is no Dockerfile {path}.")
    return text_of(path)


def _packages(environment: Environment) -> Dict[str, Any]:
    if environment.python.base_conda_environment:
        raise UserErrorException(
            "python.base_conda_environment: an environment of conda's is used as it is by its "
            "interpreter: python.user_managed_dependencies = True and python.interpreter_path."
        )
    packages = packages_of(environment.python.conda_dependencies)
    file = environment.python.conda_dependencies_file
    if file and (packages is None or packages.is_default) and os.path.isfile(file):
        packages = CondaDependencies(file)
    if packages is None:
        return {}
    pip = [line for line in packages.pip_packages if not _is_ours(line)]
    conda = [line for line in packages.conda_packages if not _is_python(line)]
    conda = [line for line in conda if line.partition("=")[0].strip() != "pip"]
    version = packages.get_python_version()
    recipe: Dict[str, Any] = {}
    if pip:
        recipe["pip"] = [*packages.pip_options, *pip]
    if conda:
        recipe["conda"] = conda
        recipe["channels"] = list(packages.conda_channels)
    if version is not None and version != PYTHON_VERSION:
        recipe["python"] = version
    return recipe


def _is_ours(line: str) -> bool:
    name = line.strip().lower()
    return name.startswith(_OURS) and (len(name) == len(_OURS) or not name[len(_OURS)].isalnum())


def _is_python(line: str) -> bool:
    return line.strip().replace("=", " ").replace(">", " ").replace("<", " ").split()[0] == "python"
