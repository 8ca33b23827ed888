"""v1's home of RunStatus."""

from dispatcher.client.runs.status import RunStatus

__all__ = ["RunStatus"]
