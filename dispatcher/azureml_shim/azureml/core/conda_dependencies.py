"""v1's module for CondaDependencies."""

from dispatcher.client.v1.environments.conda_dependencies import PYTHON_VERSION, CondaDependencies

CONDA_FILE_NAME = "conda_dependencies.yml"

__all__ = ["CONDA_FILE_NAME", "PYTHON_VERSION", "CondaDependencies"]
