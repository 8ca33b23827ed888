"""v1's home of ComputeTarget."""

from dispatcher.client.v1.compute.targets import ComputeTarget

__all__ = ["ComputeTarget"]
