"""The workspace's config.json: found, read, written."""

from __future__ import annotations

import json
import os

from dispatcher.client.absolute_path import absolute
from dispatcher.client.errors import UserErrorException

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterator, Optional, Tuple

_FOLDERS = (".azureml", "aml_config", "")
_NAMES = ("config.json", "project.json")
_DATA_FOLDER = ".dispatcher"


class WorkspaceConfig:
    """What a config.json says.

    Attributes:
        subscription_id, resource_group, name: The workspace's v1 address.
        data_folder: Where the embedded service keeps its things.
        service_url: The service to use instead of an embedded one, or None.
    """

    def __init__(
        self,
        subscription_id: str,
        resource_group: str,
        name: str,
        data_folder: str,
        service_url: Optional[str] = None,
    ) -> None:
        self.subscription_id = subscription_id
        self.resource_group = resource_group
        self.name = name
        self.data_folder = data_folder
        self.service_url = service_url

    @property
    def address(self) -> Tuple[str, str, str]:
        """The v1 address: subscription, resource group and name."""
        return self.subscription_id, self.resource_group, self.name


def find(path: Optional[str] = None, file_name: Optional[str] = None) -> str:
    """Return the path of the config.json that counts for a file or folder.

    Each kind of place is looked for up to the root before the next kind is: `.azureml/`, then
    `aml_config/`, then the plain folder; so an ancestor's .azureml/config.json beats ./config.json.

    Raises:
        UserErrorException: There is none.
    """
    start = absolute(path or ".")
    if os.path.isfile(start):
        return start
    for folder in _FOLDERS:
        for name in (file_name,) if file_name else _NAMES:
            for parent in _upwards(start):
                candidate = os.path.join(parent, folder, name)
                if os.path.isfile(candidate):
                    return candidate
    raise UserErrorException(
        f"No workspace configuration (.azureml/config.json) in {start} or above it. Make one with "
        "Workspace.create(name, path=...).write_config(), or `dispatcher folder attach`."
    )


def find_in(folder: str) -> Optional[str]:
    """The path of the config.json of a folder itself, or None."""
    paths = (os.path.join(folder, below, name) for below in _FOLDERS for name in _NAMES)
    return next((path for path in paths if os.path.isfile(path)), None)


def find_above(folder: str) -> Iterator[str]:
    """The paths of the config.json of the folders above one, the closest first."""
    for parent in _upwards(os.path.dirname(absolute(folder))):
        path = find_in(parent)
        if path is not None:
            yield path


def read(path: str) -> WorkspaceConfig:
    """Read a config.json. Raises UserErrorException when it is not JSON or keys are missing."""
    try:
        with open(path, encoding="utf-8") as file:
            fields = json.load(file)
    except (OSError, ValueError) as error:
        raise UserErrorException(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(fields, dict):
        raise UserErrorException(f"{path} holds no JSON object.")
    names = _scope(fields["Scope"], path) if fields.get("Scope") else _plain(fields, path)
    default = os.path.join(project_folder(path), _DATA_FOLDER)
    folder = fields.get("data_folder") or default
    return WorkspaceConfig(*names, data_folder=folder, service_url=fields.get("service_url"))


def write(config: WorkspaceConfig, path: str, file_name: str = "config.json") -> str:
    """Write `<path>/.azureml/<file_name>` in the Scope form and return its path."""
    if not file_name.endswith(".json"):
        file_name += ".json"
    target = os.path.join(absolute(path), ".azureml", file_name)
    fields: Dict[str, Any] = {
        "Id": config.name,
        "Scope": f"/subscriptions/{config.subscription_id}/resourceGroups/{config.resource_group}"
        f"/providers/Microsoft.MachineLearningServices/workspaces/{config.name}",
    }
    if config.service_url:
        fields["service_url"] = config.service_url
    elif config.data_folder != os.path.join(absolute(path), _DATA_FOLDER):
        fields["data_folder"] = config.data_folder
    os.makedirs(os.path.dirname(target), exist_ok=True)
    with open(target, "w", encoding="utf-8") as file:
        json.dump(fields, file, indent=4)
        file.write("\n")
    return target


def default_data_folder(folder: str) -> str:
    """Where the embedded service of a workspace folder keeps its things."""
    return os.path.join(absolute(folder), _DATA_FOLDER)


def project_folder(config_path: str) -> str:
    """The folder that a config.json speaks for: the one that holds .azureml/ or aml_config/."""
    folder = os.path.dirname(absolute(config_path))
    if os.path.basename(folder) in _FOLDERS:
        return os.path.dirname(folder)
    return folder


def _upwards(folder: str) -> Iterator[str]:
    while True:
        yield folder
        parent = os.path.dirname(folder)
        if parent == folder:
            return
        folder = parent


def _plain(fields: Dict[str, Any], path: str) -> tuple[str, str, str]:
    try:
        return fields["subscription_id"], fields["resource_group"], fields["workspace_name"]
    except KeyError as error:
        raise UserErrorException(
            f"{path} lacks {error}: it needs subscription_id, resource_group and workspace_name, "
            "or one Scope."
        ) from error


def _scope(scope: str, path: str) -> tuple[str, str, str]:
    parts = scope.strip("/").split("/")
    pairs = zip(parts[0::2], parts[1::2])  # noqa: B905  (3.8 has no `strict`)
    values = {key.lower(): value for key, value in pairs}
    try:
        return values["subscriptions"], values["resourcegroups"], values["workspaces"]
    except KeyError as error:
        raise UserErrorException(f"The Scope in {path} lacks {error}: {scope}") from error
