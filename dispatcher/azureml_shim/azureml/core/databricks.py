"""v1's home of DatabricksSection."""

from dispatcher.client.v1.environments.parts import DatabricksSection

__all__ = ["DatabricksSection"]
