"""v1's module for HyperDriveConfig."""

from dispatcher.client.v1.sweeps.config import (
    HyperDriveConfig,
    HyperDriveRunConfig,
    PrimaryMetricGoal,
)

__all__ = ["HyperDriveConfig", "HyperDriveRunConfig", "PrimaryMetricGoal"]
