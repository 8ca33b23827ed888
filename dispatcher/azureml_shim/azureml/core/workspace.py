"""v1's home of Workspace."""

from dispatcher.client.workspaces.workspace import Workspace

__all__ = ["Workspace"]
