"""v1's module for DataReference."""

from dispatcher.client.unsupported import module as _module

_DATA = "there are no datastores; pass paths as script arguments, and write results to ./outputs."
__getattr__ = _module("azureml.data.data_reference", {"DataReference": _DATA})
