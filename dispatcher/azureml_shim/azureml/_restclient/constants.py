"""v1's home of RunStatus."""

from dispatcher.client.run_status import RunStatus

__all__ = ["RunStatus"]
