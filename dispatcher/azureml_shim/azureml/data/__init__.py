"""v1's package for data, which is not supported."""

from dispatcher.client.unsupported import module as _module

_DATA = "there are no datasets; pass paths as script arguments, and write results to ./outputs."
_NAMES = ("FileDataset", "HDFSOutputDatasetConfig", "OutputFileDatasetConfig", "TabularDataset")
__getattr__ = _module("azureml.data", dict.fromkeys(_NAMES, _DATA))
