"""v1's module for Experiment."""

from dispatcher.client.v1.workspaces.experiment import Experiment, ViewType

__all__ = ["Experiment", "ViewType"]
