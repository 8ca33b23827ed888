"""v1's home of RemoteCompute."""

from dispatcher.client.compute.remote_compute import RemoteCompute, RemoteComputeAttachConfiguration

__all__ = ["RemoteCompute", "RemoteComputeAttachConfiguration"]
