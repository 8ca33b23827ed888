"""Environments: what a run needs installed, as objects, as folders, as recipes, by name."""
