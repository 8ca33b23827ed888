"""v1's home of web services."""

from dispatcher.client.unsupported import module as _module

_SERVING = "models are kept, not served: Model(ws, name).download() brings the files."
_NAMES = ("AciWebservice", "AksWebservice", "LocalWebservice", "Webservice")
__getattr__ = _module("azureml.core.webservice", dict.fromkeys(_NAMES, _SERVING))
