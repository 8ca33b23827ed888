"""v1's home of ComputeTarget."""

from dispatcher.client.targets import ComputeTarget

__all__ = ["ComputeTarget"]
