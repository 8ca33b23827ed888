"""v1's home of Experiment."""

from dispatcher.client.workspaces.experiment import Experiment, ViewType

__all__ = ["Experiment", "ViewType"]
