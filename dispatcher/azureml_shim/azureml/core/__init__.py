"""`from azureml.core import Run, Workspace, …`: imported when first asked for, as in dispatcher."""

import dispatcher as _dispatcher
from dispatcher.client.unsupported import module as _module

VERSION = "1.61.0"
__version__ = VERSION

_DATA = "there are no datasets; pass paths as script arguments, and keep results in ./outputs."
_SERVING = "models are kept, not served: run.register_model(...) and Model(ws, name).download()."
_AZURE = "it is a part of Azure that is not needed here; leave it out."
_HOMES = {
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
    "is_compute_target_prepared": "environments are made when a run needs them; leave it out.",
    "prepare_compute_target": "environments are made when a run needs them; leave it out.",
    "remove_legacy_compute_target": "use ComputeTarget.delete().",
}
_else = _module("azureml.core", _unsupported)

__all__ = ["VERSION", *_dispatcher.__all__, *_HOMES]


def __getattr__(name: str) -> object:
    if name in _HOMES:
        home = __import__(f"dispatcher.client.{_HOMES[name]}", fromlist=[name])
        value = globals()[name] = getattr(home, name)
    elif name in _dispatcher.__all__:
        value = getattr(_dispatcher, name)
    else:
        value = _else(name)
    return value


def __dir__() -> "list[str]":
    return sorted({*__all__, *_unsupported})
