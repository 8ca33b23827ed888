"""v1's module for DatabricksSection."""

from dispatcher.client.v1.environments.parts import DatabricksSection

__all__ = ["DatabricksSection"]
