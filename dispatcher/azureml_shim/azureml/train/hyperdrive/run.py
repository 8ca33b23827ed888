"""v1's home of HyperDriveRun."""

from dispatcher.client.sweeps.config import PrimaryMetricGoal
from dispatcher.client.sweeps.run import HyperDriveRun

__all__ = ["HyperDriveRun", "PrimaryMetricGoal"]
