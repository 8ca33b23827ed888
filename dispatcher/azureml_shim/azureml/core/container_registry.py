"""v1's home of ContainerRegistry."""

from dispatcher.client.environment_parts import ContainerRegistry

__all__ = ["ContainerRegistry"]
