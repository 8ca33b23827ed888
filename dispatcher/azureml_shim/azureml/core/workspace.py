"""v1's module for Workspace."""

from dispatcher.client.v1.workspaces.workspace import Workspace

__all__ = ["Workspace"]
