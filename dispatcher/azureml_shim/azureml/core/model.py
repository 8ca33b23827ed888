"""v1's home of Model."""

from dispatcher.client.unsupported import module as _module
from dispatcher.client.v1.workspaces.model import Model

_SERVING = "models are kept, not served: Model(ws, name).download() brings the files."
__getattr__ = _module("azureml.core.model", {"InferenceConfig": _SERVING, "ModelPackage": _SERVING})

__all__ = ["Model"]
