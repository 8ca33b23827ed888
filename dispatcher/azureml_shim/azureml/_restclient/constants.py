"""v1's module for RunStatus."""

from dispatcher.client.v1.runs.status import RunStatus

__all__ = ["RunStatus"]
