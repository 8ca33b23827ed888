"""v1's module for HyperDriveRun."""

from dispatcher.client.v1.sweeps.config import PrimaryMetricGoal
from dispatcher.client.v1.sweeps.run import HyperDriveRun

__all__ = ["HyperDriveRun", "PrimaryMetricGoal"]
