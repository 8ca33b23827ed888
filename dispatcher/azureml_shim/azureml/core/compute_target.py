"""v1's older home of what is said about compute targets."""

from dispatcher.client.compute.targets import ComputeTarget
from dispatcher.client.errors import ComputeTargetException

__all__ = ["ComputeTarget", "ComputeTargetException"]
