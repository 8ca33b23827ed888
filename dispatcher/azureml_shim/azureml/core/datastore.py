"""v1's home of Datastore."""

from dispatcher.client.unsupported import module as _module

_DATA = "there are no datastores; pass paths as script arguments, and keep results in ./outputs."
__getattr__ = _module("azureml.core.datastore", {"Datastore": _DATA})
