"""Compute targets in v1's words: `ComputeTarget`, `AmlCompute`, `RemoteCompute`."""
