"""Workspaces, experiments, models, and the registry of workspaces on this machine."""
