"""v1's module for web services."""

from dispatcher.client.unsupported import module as _module

_SERVING = "models are stored, not served: use Model(ws, name).download()."
_NAMES = ("AciWebservice", "AksWebservice", "LocalWebservice", "Webservice")
__getattr__ = _module("azureml.core.webservice", dict.fromkeys(_NAMES, _SERVING))
