"""v1's home of ComputeTarget."""

from dispatcher.client.compute.targets import ComputeTarget

__all__ = ["ComputeTarget"]
