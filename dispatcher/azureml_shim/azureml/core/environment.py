"""v1's home of Environment and its parts."""

from dispatcher.client.environments.conda_dependencies import CondaDependencies
from dispatcher.client.environments.environment import Environment, EnvironmentReference
from dispatcher.client.environments.parts import (
    DatabricksSection,
    DockerBuildContext,
    DockerEnvironment,
    DockerImagePlatform,
    DockerSection,
    PythonEnvironment,
    PythonSection,
    RSection,
    SparkEnvironment,
    SparkPackage,
    SparkSection,
)

__all__ = [
    "CondaDependencies",
    "DatabricksSection",
    "DockerBuildContext",
    "DockerEnvironment",
    "DockerImagePlatform",
    "DockerSection",
    "Environment",
    "EnvironmentReference",
    "PythonEnvironment",
    "PythonSection",
    "RSection",
    "SparkEnvironment",
    "SparkPackage",
    "SparkSection",
]
