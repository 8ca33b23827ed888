"""v1's home of ContainerRegistry."""

from dispatcher.client.v1.environments.parts import ContainerRegistry

__all__ = ["ContainerRegistry"]
