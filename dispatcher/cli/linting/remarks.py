"""What linting says beyond "it is there" and "it is not": differences, and ways out.

A name in `DIFFERENT` must be in the shim, one in `INSTEAD` must not; tests see to both.
"""

from collections.abc import Mapping

_LOGIN = "Accepted and not used: there is nothing to log in to."
DIFFERENT: Mapping[str, str] = {
    "Workspace": "A workspace is a folder of this machine, found by its name; subscription and "
    "resource group are kept as texts.",
    "Workspace.create": "It makes a folder of this machine; Azure's arguments have no effect.",
    "Workspace.get": "Workspaces of this machine are found by name.",
    "Workspace.list": "It lists the workspaces of this machine.",
    "Workspace.delete": "It forgets the workspace; with delete_dependent_resources its data goes.",
    "Workspace.get_details": "It has v1's main keys; there are no Azure resources to name.",
    "Run.parent": "Inside a run it can be read, logged to and tagged; the rest is refused.",
    "Run.cancel": "It cancels the run's descendants, too.",
    "Run.wait_for_completion": "It returns only at a terminal status; v1 could return at "
    "Finalizing.",
    "Run.get_portal_url": "The address is the service's own; there is no studio.",
    "Run.clean": "There is nothing to clean: the agent has done it.",
    "Run.register_model": "The model is kept with its run; models are not served.",
    "Experiment.get_portal_url": "The address is the service's own; there is no studio.",
    "AmlCompute.provisioning_configuration": "Sizes and nodes are kept and shown; the target is "
    "this machine, or what you have attached under its name.",
    "ComputeTarget.create": "The target is this machine, or what you have attached under its name.",
    "ComputeTarget.attach": "What is attached is yours: "
    '{"kind": "docker"|"ray"|"local", …}, or `dispatcher computetarget attach`.',
    "ComputeTarget.delete": "It forgets the target; the machines are yours.",
    "AmlCompute.delete": "It forgets the target; the machines are yours.",
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
INSTEAD: Mapping[str, str] = {
    "Workspace.get_default_keyvault": "Pass secrets as environment variables of the target.",
    "Workspace.keyvault": "Pass secrets as environment variables of the target.",
    "Workspace.webservices": "Train here, serve with a server of your choice.",
    "Workspace.get_default_datastore": "Pass paths as script arguments; a run's files are in its "
    "outputs/.",
    "Run.get_secret": _SECRETS,
    "Run.get_secrets": _SECRETS,
    "ScriptRun.get_secret": _SECRETS,
    "ScriptRun.get_secrets": _SECRETS,
    "Model.register": "Register it from its run: run.register_model(name, path).",
    "Workspace.setup": "Use Workspace.create(name, exist_ok=True).",
    "Workspace.private_endpoints": "There are no Azure resources; leave it out.",
}
MODULES: Mapping[str, str] = {
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
    "azureml.core.image": "Train here, serve with a server of your choice.",
    "azureml.telemetry": "Nothing is sent anywhere; leave it out.",
    "azureml._": "It was private to v1; use what is public.",
}
_GENERAL = "It is not in dispatcher's azureml; see docs/migrating-from-azureml.md."


def of_name(name: str) -> str:
    """The way out for a name that is not there: `azureml.core.Dataset`, `Workspace.setup`."""
    if name in INSTEAD:
        return INSTEAD[name]
    return of_module(name) if name.startswith("azureml.") else _GENERAL


def of_module(name: str) -> str:
    """The way out for a module that is not there."""
    parts = name.split(".")
    for length in range(len(parts), 1, -1):
        remark = MODULES.get(".".join(parts[:length]))
        if remark is not None:
            return remark
    return MODULES["azureml._"] if any(part[0] == "_" for part in parts) else _GENERAL
