"""v1's home of Experiment."""

from dispatcher.client.experiment import Experiment

__all__ = ["Experiment"]
