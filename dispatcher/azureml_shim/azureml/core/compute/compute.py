"""v1's module for ComputeTarget."""

from dispatcher.client.v1.compute.targets import ComputeTarget

__all__ = ["ComputeTarget"]
