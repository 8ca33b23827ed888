"""The parts of an environment: its Python, its image, and v1's Spark, R and Databricks."""
# ruff: noqa: ARG002, ARG004  (the signatures are Azure ML's)

from __future__ import annotations

from dispatcher.client.v1.configs.sections import Section
from dispatcher.client.v1.environments.conda_dependencies import CondaDependencies

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional


class PythonSection(Section):
    """Which Python runs the script.

    With `user_managed_dependencies` the interpreter is used as it is and nothing is installed.
    """

    def __init__(self, **kwargs: Any) -> None:
        self.user_managed_dependencies = False
        self.interpreter_path = "python"
        self.conda_dependencies: Optional[CondaDependencies] = CondaDependencies()
        self.conda_dependencies_file: Optional[str] = None
        self.base_conda_environment: Optional[str] = None
        self._seal()


class PythonEnvironment(PythonSection):
    """v1's older name of PythonSection."""

    def __init__(self) -> None:
        super().__init__()


class ContainerRegistry(Section):
    """Where an image comes from, if it asks for a password."""

    def __init__(self) -> None:
        self.address: Optional[str] = None
        self.username: Optional[str] = None
        self.password: Optional[str] = None
        self.registry_identity: Any = None
        self._seal()


class DockerImagePlatform(Section):
    """What an image is made for."""

    def __init__(self) -> None:
        self.os = "Linux"
        self.architecture = "amd64"
        self._seal()


class DockerSection(Section):
    """Which image a run runs in. Of image, Dockerfile and build context the latest counts."""

    def __init__(self, **kwargs: Any) -> None:
        self.enabled = False
        self._base_image: Optional[str] = None
        self._base_dockerfile: Optional[str] = None
        self._build_context: Any = None
        self.gpu_support = True
        self.shared_volumes = True
        self.arguments: List[str] = []
        self.shm_size = "2g"
        self.platform = DockerImagePlatform()
        self.base_image_registry = ContainerRegistry()
        self._seal()

    @property
    def base_image(self) -> Optional[str]:
        """The image; None: the target's own."""
        return self._base_image

    @base_image.setter
    def base_image(self, value: Optional[str]) -> None:
        self._choose("_base_image", value)

    @property
    def base_dockerfile(self) -> Optional[str]:
        """The text of a Dockerfile to build the image from."""
        return self._base_dockerfile

    @base_dockerfile.setter
    def base_dockerfile(self, value: Optional[str]) -> None:
        self._choose("_base_dockerfile", value)

    @property
    def build_context(self) -> Any:
        """A folder with a Dockerfile to build the image from."""
        return self._build_context

    @build_context.setter
    def build_context(self, value: Any) -> None:
        self._choose("_build_context", value)

    def _choose(self, name: str, value: Any) -> None:
        for other in ("_base_image", "_base_dockerfile", "_build_context"):
            if other == name:
                object.__setattr__(self, name, value)
            elif value is not None:
                object.__setattr__(self, other, None)


class DockerEnvironment(DockerSection):
    """v1's older name of DockerSection."""

    def __init__(self) -> None:
        super().__init__()


class DockerBuildContext(Section):
    """A folder with a Dockerfile in it.

    Args:
        location_type: "localfile"; others are Azure's.
        location: The folder.
        dockerfile_path: The Dockerfile in it.
    """

    def __init__(
        self,
        location_type: Optional[str] = None,
        location: Optional[str] = None,
        dockerfile_path: str = "Dockerfile",
    ) -> None:
        self.location_type = location_type
        self.location = location
        self.dockerfile_path = dockerfile_path
        self._seal()

    @staticmethod
    def from_local_directory(
        workspace: Any, path: str, dockerfile_path: str = "Dockerfile"
    ) -> DockerBuildContext:
        """The context of a folder here."""
        return DockerBuildContext("localfile", path, dockerfile_path)


class SparkPackage(Section):
    """A package of Spark's: kept, without effect."""

    def __init__(
        self,
        group: Optional[str] = None,
        artifact: Optional[str] = None,
        version: Optional[str] = None,
    ) -> None:
        self.group = group
        self.artifact = artifact
        self.version = version
        self._seal()


class SparkSection(Section):
    """Spark's packages: kept, without effect."""

    def __init__(self, **kwargs: Any) -> None:
        self.repositories: List[str] = []
        self.packages: List[Any] = []
        self.precache_packages = True
        self._seal()


class SparkEnvironment(SparkSection):
    """v1's older name of SparkSection."""

    def __init__(self) -> None:
        super().__init__()


class DatabricksSection(Section):
    """Databricks' libraries: kept, without effect."""

    def __init__(self) -> None:
        self.maven_libraries: List[Any] = []
        self.pypi_libraries: List[Any] = []
        self.rcran_libraries: List[Any] = []
        self.jar_libraries: List[Any] = []
        self.egg_libraries: List[Any] = []
        self._seal()


class RSection(Section):
    """R's packages: kept, without effect."""

    def __init__(self) -> None:
        self.r_version: Optional[str] = None
        self.user_managed = False
        self.rscript_path: Optional[str] = None
        self.snapshot_date: Optional[str] = None
        self.cran_packages: Optional[List[Dict[str, Any]]] = None
        self.github_packages: Optional[List[Dict[str, Any]]] = None
        self.custom_url_packages: Optional[List[str]] = None
        self.bioconductor_packages: Optional[List[str]] = None
        self._seal()
