"""v1's home of ContainerRegistry."""

from dispatcher.client.environments.parts import ContainerRegistry

__all__ = ["ContainerRegistry"]
