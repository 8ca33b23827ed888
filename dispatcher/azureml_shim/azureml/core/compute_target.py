"""v1's older module for compute targets."""

from dispatcher.client.errors import ComputeTargetException
from dispatcher.client.v1.compute.targets import ComputeTarget

__all__ = ["ComputeTarget", "ComputeTargetException"]
