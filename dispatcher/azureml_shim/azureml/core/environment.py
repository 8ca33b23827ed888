"""v1's home of Environment and its parts."""

from dispatcher.client.conda_dependencies import CondaDependencies
from dispatcher.client.environment import Environment, EnvironmentReference
from dispatcher.client.environment_parts import (
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
