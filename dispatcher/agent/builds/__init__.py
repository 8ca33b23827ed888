"""Environments of this node: how they are built, the cache of built ones, and the waiting jobs."""
