"""v1's module for ContainerRegistry."""

from dispatcher.client.v1.environments.parts import ContainerRegistry

__all__ = ["ContainerRegistry"]
