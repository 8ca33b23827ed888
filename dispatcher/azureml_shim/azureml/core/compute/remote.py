"""v1's module for RemoteCompute."""

from dispatcher.client.v1.compute.remote_compute import (
    RemoteCompute,
    RemoteComputeAttachConfiguration,
)

__all__ = ["RemoteCompute", "RemoteComputeAttachConfiguration"]
