"""v1's home of RunDetails."""

from dispatcher.client.v1.runs.run_details import RunDetails

__all__ = ["RunDetails"]
