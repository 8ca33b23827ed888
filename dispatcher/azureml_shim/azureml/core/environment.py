"""v1's home of Environment."""

from dispatcher.client.environment import Environment

__all__ = ["Environment"]
