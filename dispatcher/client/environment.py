"""The environment of a run: its interpreter, packages, image and variables."""
# ruff: noqa: ARG002, ARG004  (the signatures are Azure ML's)

from __future__ import annotations

from dispatcher.client.errors import NotYetAvailable, UserErrorException
from dispatcher.client.sections import Section

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, NoReturn, Optional


class PythonSection(Section):
    """Which Python runs the script.

    With `user_managed_dependencies` the interpreter is used as it is and nothing is installed.
    """

    def __init__(self, **kwargs: Any) -> None:
        self.user_managed_dependencies = False
        self.interpreter_path = "python"
        self.conda_dependencies_file: Optional[str] = None
        self.conda_dependencies: Any = None
        self.base_conda_environment: Optional[str] = None
        self._seal()


class DockerSection(Section):
    """Which image a run runs in. Of `base_image` and `base_dockerfile` the later one counts."""

    def __init__(self, **kwargs: Any) -> None:
        self.enabled = False
        self._base_image: Optional[str] = None
        self._base_dockerfile: Optional[str] = None
        self.build_context: Any = None
        self.gpu_support = True
        self.shared_volumes = True
        self.arguments: List[str] = []
        self.shm_size = "2g"
        self.platform: Any = None
        self.base_image_registry: Any = None
        self._seal()

    @property
    def base_image(self) -> Optional[str]:
        """The image; None: the target's own."""
        return self._base_image

    @base_image.setter
    def base_image(self, value: Optional[str]) -> None:
        self._base_image = value
        if value is not None:
            self._base_dockerfile = None

    @property
    def base_dockerfile(self) -> Optional[str]:
        """The text of a Dockerfile to build the image from."""
        return self._base_dockerfile

    @base_dockerfile.setter
    def base_dockerfile(self, value: Optional[str]) -> None:
        self._base_dockerfile = value
        if value is not None:
            self._base_image = None


class Environment(Section):
    """An environment.

    Args:
        name: Its name.

    Raises:
        TypeError: The name is no text.
    """

    def __init__(self, name: str, **kwargs: Any) -> None:
        if not isinstance(name, str):
            raise TypeError(f"An environment's name is a text, not a {type(name).__name__}")
        self.name = name
        self.version: Optional[str] = None
        self.python = PythonSection()
        self.docker = DockerSection()
        self.environment_variables: Dict[str, str] = {"EXAMPLE_ENV_VAR": "EXAMPLE_VALUE"}
        self.inferencing_stack_version: Optional[str] = None
        self._seal()

    @staticmethod
    def from_docker_image(
        name: str,
        image: str,
        container_registry: Any = None,
        conda_specification: Optional[str] = None,
        pip_requirements: Optional[str] = None,
    ) -> Environment:
        """An environment that is an image with everything in it."""
        environment = Environment(name)
        environment.docker.enabled = True
        environment.docker.base_image = image
        environment.python.user_managed_dependencies = True
        return environment

    def clone(self, new_name: str) -> Environment:
        """A copy under another name, without a version.

        Raises:
            UserErrorException: The name is empty.
        """
        import copy

        if not new_name:
            raise UserErrorException("A clone needs a name of its own.")
        made = copy.deepcopy(self)
        made.name, made.version = new_name, None
        return made

    def register(self, workspace: Any) -> Environment:
        """Not there yet. Raises NotYetAvailable."""
        _not_yet("register")

    @staticmethod
    def get(
        workspace: Any, name: str, version: Optional[str] = None, label: Optional[str] = None
    ) -> Environment:
        """Not there yet. Raises NotYetAvailable."""
        _not_yet("get")

    @staticmethod
    def list(workspace: Any) -> Dict[str, Environment]:
        """Not there yet. Raises NotYetAvailable."""
        _not_yet("list")

    def build(self, workspace: Any, image_build_compute: Optional[str] = None) -> Any:
        """Not there yet. Raises NotYetAvailable."""
        _not_yet("build")

    def __repr__(self) -> str:
        return f"Environment(Name: {self.name},\nVersion: {self.version})"


def from_definition(definition: Optional[Dict[str, Any]]) -> Environment:
    """The environment of a run's definition.

    Raises:
        UserErrorException: The run has none: it is interactive.
    """
    if not definition:
        raise UserErrorException("An interactive run has no environment.")
    from dispatcher.client.definition import environment_of

    return environment_of(definition.get("environment") or {})


def _not_yet(call: str) -> NoReturn:
    raise NotYetAvailable(
        f"Environment.{call} is not available yet. Name an image or an interpreter in the "
        "environment itself: environment.docker.base_image, environment.python.interpreter_path."
    )
