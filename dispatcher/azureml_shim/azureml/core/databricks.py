"""v1's home of DatabricksSection."""

from dispatcher.client.environments.parts import DatabricksSection

__all__ = ["DatabricksSection"]
