"""`from azureml.core import Run, Workspace, …`: names are imported on first use."""

import dispatcher as _dispatcher
from dispatcher.client.unsupported import module as _module

VERSION = "1.61.0"
__version__ = VERSION

_DATA = "there are no datasets; pass paths as script arguments, and write results to ./outputs."
_SERVING = "models are stored, not served: run.register_model(...) and Model(ws, name).download()."
_AZURE = "it is a part of Azure that is not needed here; remove it."
_MODULES = {
    "ComputeTarget": "v1.compute.targets",
    "ContainerRegistry": "v1.environments.parts",
    "Model": "v1.workspaces.model",
}
_unsupported = {
    "Dataset": _DATA,
    "Datastore": _DATA,
    "Image": _SERVING,
    "Webservice": _SERVING,
    "Keyvault": "pass secrets as environment variables of the target.",
    "LinkedService": _AZURE,
    "PrivateEndPoint": _AZURE,
    "PrivateEndPointConfig": _AZURE,
    "SynapseWorkspaceLinkedServiceConfiguration": _AZURE,
    "attach_legacy_compute_target": "use ComputeTarget.attach(ws, name, configuration).",
    "diagnostic_log": "use Python's logging; the client's logger is 'dispatcher'.",
    "is_compute_target_prepared": "environments are built when a run needs them; remove the call.",
    "prepare_compute_target": "environments are built when a run needs them; remove the call.",
    "remove_legacy_compute_target": "use ComputeTarget.delete().",
}
_unsupported_name = _module("azureml.core", _unsupported)

__all__ = ["VERSION", *_dispatcher.__all__, *_MODULES]


def __getattr__(name: str) -> object:
    if name in _MODULES:
        module = __import__(f"dispatcher.client.{_MODULES[name]}", fromlist=[name])
        value = globals()[name] = getattr(module, name)
    elif name in _dispatcher.__all__:
        value = getattr(_dispatcher, name)
    else:
        value = _unsupported_name(name)
    return value


def __dir__() -> "list[str]":
    return sorted({*__all__, *_unsupported})
