"""The environment of a run: its interpreter, packages, image and variables."""
# ruff: noqa: ARG002  (the signatures are Azure ML's)

from __future__ import annotations

from dispatcher.client import checks
from dispatcher.client.errors import UserErrorException
from dispatcher.client.v1.configs.sections import Section
from dispatcher.client.v1.environments.parts import (
    DatabricksSection,
    DockerSection,
    PythonSection,
    SparkSection,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional

    from dispatcher.client.v1.environments.parts import RSection


@checks.checked_class
class Environment(Section):
    """An environment.

    Args:
        name: Its name.

    Raises:
        TypeError: The name is not a string.
    """

    def __init__(self, name: str, **kwargs: Any) -> None:
        checks.texts(name=name)
        self.name = name
        self.version: Optional[str] = None
        self.python = PythonSection()
        self.docker = DockerSection()
        self.spark = SparkSection()
        self.databricks = DatabricksSection()
        self.r: Optional[RSection] = None
        self.environment_variables: Dict[str, str] = {"EXAMPLE_ENV_VAR": "EXAMPLE_VALUE"}
        self.inferencing_stack_version: Optional[str] = None
        self.asset_id: Optional[str] = None
        self._seal()

    @staticmethod
    def from_conda_specification(name: str, file_path: str) -> Environment:
        """The packages of a conda file.

        Raises:
            UserErrorException: The file cannot be read, or is none of conda's.
        """
        from dispatcher.client.v1.environments.files import with_packages

        return with_packages(Environment(name), file_path, None)

    @staticmethod
    def from_pip_requirements(
        name: str, file_path: str, pip_version: Optional[str] = None
    ) -> Environment:
        """The packages of a requirements file. Raises UserErrorException: it cannot be read."""
        from dispatcher.client.v1.environments.files import with_packages

        checks.texts_or_none(pip_version=pip_version)
        environment = with_packages(Environment(name), None, file_path)
        if pip_version is not None and environment.python.conda_dependencies is not None:
            environment.python.conda_dependencies.add_conda_package(f"pip={pip_version}")
        return environment

    @staticmethod
    def from_existing_conda_environment(
        name: str, conda_environment_name: str
    ) -> Optional[Environment]:
        """The packages of a conda environment of this machine; None where there is none.

        Raises:
            UserErrorException: There is no conda on the PATH.
        """
        from dispatcher.client.v1.environments.files import of_conda

        checks.texts(conda_environment_name=conda_environment_name)
        return of_conda(Environment(name), conda_environment_name)

    @staticmethod
    def from_docker_image(
        name: str,
        image: str,
        container_registry: Any = None,
        conda_specification: Optional[str] = None,
        pip_requirements: Optional[str] = None,
    ) -> Environment:
        """An image, with the packages of a conda or requirements file if one is given.

        Raises:
            UserErrorException: Both files are given, or one cannot be read.
        """
        from dispatcher.client.v1.environments.files import with_packages

        checks.texts(image=image)
        environment = Environment(name)
        environment.docker.enabled = True
        environment.docker.base_image = image
        if container_registry is not None:
            environment.docker.base_image_registry = container_registry
        return with_packages(environment, conda_specification, pip_requirements)

    @staticmethod
    def from_dockerfile(
        name: str,
        dockerfile: str,
        conda_specification: Optional[str] = None,
        pip_requirements: Optional[str] = None,
    ) -> Environment:
        """A Dockerfile, by its path or its text, and packages as for `from_docker_image`.

        Raises:
            UserErrorException: Both package files are given, or one cannot be read.
        """
        from dispatcher.client.v1.environments.files import text_of, with_packages

        checks.texts(dockerfile=dockerfile)
        environment = Environment(name)
        environment.docker.enabled = True
        environment.docker.base_dockerfile = text_of(dockerfile)
        return with_packages(environment, conda_specification, pip_requirements)

    @staticmethod
    def from_docker_build_context(name: str, docker_build_context: Any) -> Environment:
        """A folder with a Dockerfile in it."""
        environment = Environment(name)
        environment.docker.enabled = True
        environment.docker.build_context = docker_build_context
        environment.python.user_managed_dependencies = True
        return environment

    def save_to_directory(self, path: str, overwrite: bool = False) -> None:
        """Write the environment as files that `load_from_directory` reads.

        Raises:
            UserErrorException: The folder is there, and not `overwrite`.
        """
        from dispatcher.client.v1.environments.files import save

        checks.paths(path=path)
        save(self, path, overwrite)

    @staticmethod
    def load_from_directory(path: str) -> Environment:
        """Read what `save_to_directory` wrote.

        Raises:
            UserErrorException: It is not there, or no environment.
        """
        from dispatcher.client.v1.environments.files import load

        checks.paths(path=path)
        return load(Environment, path)

    def clone(self, new_name: str) -> Environment:
        """A copy under another name, without a version.

        Raises:
            UserErrorException: The name is empty.
        """
        import copy

        checks.texts_or_none(new_name=new_name)
        if not new_name:
            raise UserErrorException("new_name: a clone needs a name of its own.")
        environment = copy.deepcopy(self)
        environment.name, environment.version = new_name, None
        return environment

    def register(self, workspace: Any) -> Environment:
        """Register the environment under its name; unchanged, it keeps its version.

        Returns:
            The environment with its version: "1", "2", …

        Raises:
            UserErrorException: The name is none, or the environment is too large.
        """
        from dispatcher.client.v1.environments.registry import register

        return register(self, workspace, Environment)

    @staticmethod
    def get(
        workspace: Any, name: str, version: Optional[str] = None, label: Optional[str] = None
    ) -> Environment:
        """A registered environment, by default its latest version.

        Raises:
            UserErrorException: It is not there, or both version and label are given.
        """
        from dispatcher.client.v1.environments.registry import get

        return get(workspace, name, Environment, version, label)

    @staticmethod
    def list(workspace: Any) -> Dict[str, Environment]:
        """The latest version of each registered environment, by name."""
        from dispatcher.client.v1.environments.registry import latest

        return latest(workspace, Environment)

    def build(self, workspace: Any, image_build_compute: Optional[str] = None) -> Any:
        """Have a target build the environment now, so that no run has to wait for it.

        Args:
            workspace: The workspace.
            image_build_compute: The target that builds it, for its own runs; default `local`.

        Returns:
            The build: its `status`, `get_log()` and `wait_for_completion(show_output=True)`.
        """
        checks.texts_or_none(image_build_compute=image_build_compute)
        return workspace._build_environment(self, image_build_compute)

    def build_local(self, workspace: Any, platform: Any = None, **kwargs: Any) -> Any:
        """Build the environment for the target `local`, and wait for it while its log is printed.

        Args:
            workspace: The workspace.
            platform: v1's, not interpreted: what is built is for the machine that builds it.
            **kwargs: v1's `useDocker` and `pushImageToWorkspaceAcr`, which may be False alone.

        Raises:
            UserErrorException: An image is asked for: `build` with a Docker target makes one.
        """
        for name in ("useDocker", "pushImageToWorkspaceAcr"):
            if kwargs.get(name):
                raise UserErrorException(
                    f"{name}: an image is built by a Docker target: "
                    "environment.build(workspace, image_build_compute=NAME)."
                )
        build = workspace._build_environment(self, None)
        return build.wait_for_completion(show_output=True)

    def __repr__(self) -> str:
        return f"Environment(Name: {self.name},\nVersion: {self.version})"


class EnvironmentDefinition(Environment):
    """v1's older name of Environment; it needs no name."""

    def __init__(self, name: Optional[str] = None) -> None:
        super().__init__(name or "default-environment")


class EnvironmentReference(Section):
    """An environment by name.

    Args:
        name: Its name.
        version: Its version; default: the latest.
    """

    def __init__(self, name: str, version: Optional[str] = None) -> None:
        checks.texts(name=name)
        self.name = name
        self.version = version
        self._seal()

    def get_environment(self, workspace: Any) -> Environment:
        """The environment. Raises UserErrorException if it is not there."""
        return Environment.get(workspace, self.name, self.version)
