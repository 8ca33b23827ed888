"""v1's module for automated machine learning."""

from dispatcher.client.unsupported import module as _module

_NONE = (
    "there is no automated machine learning; write a script that trains and compares the models."
)
__getattr__ = _module("azureml.train.automl", {"AutoMLConfig": _NONE, "AutoMLRun": _NONE})
