"""v1's home of Dataset."""

from dispatcher.client.unsupported import module as _module

_DATA = "there are no datasets; pass paths as script arguments, and keep results in ./outputs."
__getattr__ = _module("azureml.core.dataset", {"Dataset": _DATA})
