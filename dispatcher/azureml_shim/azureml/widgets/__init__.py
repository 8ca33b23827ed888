"""v1's module for RunDetails."""

from dispatcher.client.v1.runs.run_details import RunDetails

__all__ = ["RunDetails"]
