"""v1's data: there is none."""

from dispatcher.client.unsupported import module as _module

_DATA = "there are no datasets; pass paths as script arguments, and keep results in ./outputs."
_NAMES = ("FileDataset", "HDFSOutputDatasetConfig", "OutputFileDatasetConfig", "TabularDataset")
__getattr__ = _module("azureml.data", dict.fromkeys(_NAMES, _DATA))
