"""v1's home of RunStatus."""

from dispatcher.client.v1.runs.status import RunStatus

__all__ = ["RunStatus"]
