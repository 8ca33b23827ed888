"""v1's home of RunDetails."""

from dispatcher.client.runs.run_details import RunDetails

__all__ = ["RunDetails"]
