"""The linter's remarks: differences of supported names, and alternatives to unsupported ones.

The shim has the names in `DIFFERENCES`, and lacks those in `ALTERNATIVES`; tests check both.
"""

from collections.abc import Mapping

_LOGIN = "Accepted and ignored: there is no login."
DIFFERENCES: Mapping[str, str] = {
    "Workspace": "A workspace is a folder of this machine, found by its name; subscription and "
    "resource group are stored as texts only.",
    "Workspace.create": "It creates a folder on this machine; Azure's arguments have no effect.",
    "Workspace.get": "It finds workspaces of this machine by name.",
    "Workspace.list": "It lists the workspaces of this machine.",
    "Workspace.delete": "It unregisters the workspace; with delete_dependent_resources its data is "
    "deleted.",
    "Workspace.get_details": "It has v1's main keys, without those of Azure resources.",
    "Run.parent": "Inside a run it can be read, logged to and tagged; other calls are refused.",
    "Run.cancel": "It cancels the run's descendants, too.",
    "Run.wait_for_completion": "It returns only at a terminal status; v1 could return at "
    "Finalizing.",
    "Run.get_portal_url": "It is an address of the studio; `dispatcher studio` opens it.",
    "Run.clean": "It does nothing: the agent has cleaned up already.",
    "Run.register_model": "The model is stored with its run; models are not served.",
    "Experiment.get_portal_url": "It is an address of the studio; `dispatcher studio` opens it.",
    "AmlCompute.provisioning_configuration": "Sizes and nodes are stored and shown; the target is "
    "this machine, or the target that you attached under its name.",
    "ComputeTarget.create": "The target is this machine, or the target that you attached under "
    "its name.",
    "ComputeTarget.attach": "It attaches your own compute: "
    '{"kind": "docker"|"ray"|"local", …}, or `dispatcher computetarget attach`.',
    "ComputeTarget.delete": "It unregisters the target; the machines stay as they are.",
    "AmlCompute.delete": "It unregisters the target; the machines stay as they are.",
    "RemoteCompute.attach_configuration": "Runs are containers of the machine's Docker engine, "
    "reached over SSH without a password.",
    "InteractiveLoginAuthentication": _LOGIN,
    "ServicePrincipalAuthentication": _LOGIN,
    "AzureCliAuthentication": _LOGIN,
    "MsiAuthentication": _LOGIN,
    "TokenAuthentication": _LOGIN,
    "Environment.from_docker_image": "The image must be known to the target's Docker engine.",
}
_SECRETS = "Pass secrets as environment variables of the target."
ALTERNATIVES: Mapping[str, str] = {
    "Workspace.get_default_keyvault": "Pass secrets as environment variables of the target.",
    "Workspace.keyvault": "Pass secrets as environment variables of the target.",
    "Workspace.webservices": "Train here and serve with a server of your choice.",
    "Workspace.get_default_datastore": "Pass paths as script arguments; a run's files are in its "
    "outputs/.",
    "Run.get_secret": _SECRETS,
    "Run.get_secrets": _SECRETS,
    "ScriptRun.get_secret": _SECRETS,
    "ScriptRun.get_secrets": _SECRETS,
    "Model.register": "Register it from its run: run.register_model(name, path).",
    "Workspace.setup": "Use Workspace.create(name, exist_ok=True).",
    "Workspace.private_endpoints": "There are no Azure resources; remove the call.",
}
MODULE_ALTERNATIVES: Mapping[str, str] = {
    "azureml.pipeline": "Submit a parent script that submits its steps: run.submit_child(config).",
    "azureml.train": "Use ScriptRunConfig instead of an estimator.",
    "azureml.contrib": "It was a preview; there is no replacement here.",
    "azureml.opendatasets": "Download the data once and pass its path as an argument.",
    "azureml.dataprep": "Use pandas or pyarrow on a path that is passed as an argument.",
    "azureml.data": "Pass paths as script arguments; a run's files are in its outputs/.",
    "azureml.interpret": "Use the interpret or shap package, and run.upload_file for the result.",
    "azureml.explain": "Use the interpret or shap package, and run.upload_file for the result.",
    "azureml.mlflow": "Use the mlflow package: MLFLOW_TRACKING_URI is set inside runs.",
    "azureml.tensorboard": "Point TensorBoard at the run's downloaded logs.",
    "azureml.core.image": "Train here and serve with a server of your choice.",
    "azureml.telemetry": "There is no telemetry; remove it.",
    "azureml._": "It was private to v1; use the public API.",
}
_GENERAL = "It is not supported; see docs/migrating-from-azureml.md."


def alternative_to(name: str) -> str:
    """The alternative to an unsupported name: `azureml.core.Dataset`, `Workspace.setup`."""
    if name in ALTERNATIVES:
        return ALTERNATIVES[name]
    return alternative_to_module(name) if name.startswith("azureml.") else _GENERAL


def alternative_to_module(name: str) -> str:
    """The alternative to an unsupported module."""
    parts = name.split(".")
    for length in range(len(parts), 1, -1):
        remark = MODULE_ALTERNATIVES.get(".".join(parts[:length]))
        if remark is not None:
            return remark
    return MODULE_ALTERNATIVES["azureml._"] if any(part[0] == "_" for part in parts) else _GENERAL
