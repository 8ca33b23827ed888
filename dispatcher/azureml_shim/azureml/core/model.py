"""v1's module for Model."""

from dispatcher.client.unsupported import module as _module
from dispatcher.client.v1.workspaces.model import Model

_SERVING = "models are stored, not served: use Model(ws, name).download()."
__getattr__ = _module("azureml.core.model", {"InferenceConfig": _SERVING, "ModelPackage": _SERVING})

__all__ = ["Model"]
