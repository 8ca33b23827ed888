"""v1's module for Environment and its parts."""

from dispatcher.client.v1.environments.conda_dependencies import CondaDependencies
from dispatcher.client.v1.environments.environment import Environment, EnvironmentReference
from dispatcher.client.v1.environments.parts import (
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
