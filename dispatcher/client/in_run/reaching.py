"""What a submitted run needs beyond logging: its way to the service, its error file."""

from __future__ import annotations

import json
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict

    from dispatcher.client.v1.workspaces.experiment import Experiment


def experiment() -> Experiment:
    """The experiment of the run around this code, reached with the run's own token."""
    from dispatcher.client.api.connection import ApiConnection
    from dispatcher.client.v1.workspaces.config import WorkspaceConfig
    from dispatcher.client.v1.workspaces.experiment import Experiment
    from dispatcher.client.v1.workspaces.workspace import Workspace
    from dispatcher.wire.address import Address

    told = os.environ
    address = Address(
        told["AZUREML_SERVICE_ENDPOINT"],
        told.get("DISPATCHER_SERVICE_SOCKET") or None,
        told["AZUREML_RUN_TOKEN"],
    )
    config = WorkspaceConfig(
        told["AZUREML_ARM_SUBSCRIPTION"],
        told["AZUREML_ARM_RESOURCEGROUP"],
        told["AZUREML_ARM_WORKSPACE_NAME"],
        data_folder=os.path.join(told.get("DISPATCHER_JOB_DIR") or os.getcwd(), "client"),
        service_url=address.url,
    )
    workspace = Workspace(
        config.subscription_id,
        config.resource_group,
        config.name,
        _config=config,
        _transport=ApiConnection(address, retry_seconds=120.0),
    )
    return Experiment(workspace, told["AZUREML_ARM_PROJECT_NAME"], _create_in_cloud=False)


def keep_error(folder: str, error: Dict[str, Any]) -> None:
    """Write `error.json` into the spool, whole or not at all."""
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, "error.json")
    part = f"{path}.{os.getpid()}"
    with open(part, "w", encoding="utf-8") as file:
        json.dump(error, file)
    os.replace(part, path)
