"""v1's home of DatabricksSection."""

from dispatcher.client.environment_parts import DatabricksSection

__all__ = ["DatabricksSection"]
