"""v1's module for Datastore."""

from dispatcher.client.unsupported import module as _module

_DATA = "there are no datastores; pass paths as script arguments, and write results to ./outputs."
__getattr__ = _module("azureml.core.datastore", {"Datastore": _DATA})
