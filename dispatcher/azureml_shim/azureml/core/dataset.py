"""v1's module for Dataset."""

from dispatcher.client.unsupported import module as _module

_DATA = "there are no datasets; pass paths as script arguments, and write results to ./outputs."
__getattr__ = _module("azureml.core.dataset", {"Dataset": _DATA})
