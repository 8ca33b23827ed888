"""v1's home of automated machine learning."""

from dispatcher.client.unsupported import module as _module

_NONE = "there is no automated machine learning; write a script that tries what you want tried."
__getattr__ = _module("azureml.train.automl", {"AutoMLConfig": _NONE, "AutoMLRun": _NONE})
