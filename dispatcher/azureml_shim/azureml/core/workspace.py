"""v1's home of Workspace."""

from dispatcher.client.v1.workspaces.workspace import Workspace

__all__ = ["Workspace"]
