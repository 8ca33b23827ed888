"""v1's home of Workspace."""

from dispatcher.client.workspace import Workspace

__all__ = ["Workspace"]
