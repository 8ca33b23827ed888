"""A workspace: the experiments, runs and targets of one service."""
# ruff: noqa: ARG002, ARG004  (the signatures are Azure ML's)

from __future__ import annotations

import os
import shutil

from dispatcher.client import checks
from dispatcher.client.absolute_path import absolute
from dispatcher.client.api import health
from dispatcher.client.errors import WorkspaceException
from dispatcher.client.v1.workspaces import config as workspace_config
from dispatcher.client.v1.workspaces import registry
from dispatcher.client.v1.workspaces.config import WorkspaceConfig
from dispatcher.client.v1.workspaces.contents import WorkspaceContents

_NAME_BYTES = 200  # a folder is called by it, with a suffix where the name is taken

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional

    from dispatcher.client.api.connection import ApiConnection


@checks.checked_class
class Workspace(WorkspaceContents):
    """A workspace that is there already.

    Args:
        subscription_id: Kept for v1's sake; any text.
        resource_group: Kept for v1's sake; any text.
        workspace_name: The name it was created with.
        auth, sku, tags: Accepted and kept, not interpreted.

    Raises:
        WorkspaceException: No workspace of that name was created here.
    """

    def __init__(
        self,
        subscription_id: str,
        resource_group: str,
        workspace_name: str,
        auth: Any = None,
        _location: Optional[str] = None,
        _disable_service_check: bool = False,
        _workspace_id: Optional[str] = None,
        sku: str = "basic",
        tags: Optional[Dict[str, str]] = None,
        _cloud: str = "AzureCloud",
        _config: Optional[WorkspaceConfig] = None,
        _connection: Optional[ApiConnection] = None,
    ) -> None:
        if _config is None:
            checks.texts(workspace_name=workspace_name)
        self._config = _config or registry.named(workspace_name, subscription_id, resource_group)
        self._connection = _connection
        self._sku = sku
        self._tags = dict(tags or {})

    @staticmethod
    def from_config(
        path: Optional[str] = None,
        auth: Any = None,
        _logger: Any = None,
        _file_name: Optional[str] = None,
    ) -> Workspace:
        """Read the workspace from the config.json of a folder or of one above it.

        Args:
            path: A config file, or the folder to start from; default: the current one.

        Raises:
            UserErrorException: There is no such file, or it lacks keys.
        """
        checks.paths_or_none(path=path, _file_name=_file_name)
        return _of(registry.resolve(workspace_config.find(path, _file_name)))

    @staticmethod
    def create(
        name: str,
        auth: Any = None,
        subscription_id: Optional[str] = None,
        resource_group: Optional[str] = None,
        location: Optional[str] = None,
        create_resource_group: bool = True,
        sku: str = "basic",
        tags: Optional[Dict[str, str]] = None,
        friendly_name: Optional[str] = None,
        storage_account: Optional[str] = None,
        key_vault: Optional[str] = None,
        app_insights: Optional[str] = None,
        container_registry: Optional[str] = None,
        adb_workspace: Optional[str] = None,
        primary_user_assigned_identity: Optional[str] = None,
        cmk_keyvault: Optional[str] = None,
        resource_cmk_uri: Optional[str] = None,
        hbi_workspace: bool = False,
        default_cpu_compute_target: Any = None,
        default_gpu_compute_target: Any = None,
        private_endpoint_config: Any = None,
        private_endpoint_auto_approval: bool = True,
        exist_ok: bool = False,
        show_output: bool = True,
        user_assigned_identity_for_cmk_encryption: Optional[str] = None,
        system_datastores_auth_mode: str = "accessKey",
        v1_legacy_mode: Optional[bool] = None,
        path: Optional[str] = None,
        service_url: Optional[str] = None,
    ) -> Workspace:
        """Make a workspace and the config.json that finds it again.

        Args:
            name: Its name, unique on this machine.
            subscription_id, resource_group: Any text; default `local`.
            exist_ok: Answer the workspace that is there instead of raising.
            path: Its folder; default `$DISPATCHER_HOME/workspaces/<name>`, where DISPATCHER_HOME
                is `~/.dispatcher` if not set.
            service_url: Use a running service instead of an embedded one.

        Of v1's further arguments, those that speak of Azure's resources are accepted, without
        effect; a default compute target is made when it is asked for by name.

        Raises:
            WorkspaceException: There is one of that name and `exist_ok` is False, or it lives in
                another folder than `path`.
        """
        checks.texts(name=name)
        checks.texts_or_none(
            subscription_id=subscription_id, resource_group=resource_group, service_url=service_url
        )
        checks.paths_or_none(path=path)
        _check_name(name)
        known = next(iter(registry.of_name(name)), None)
        if known is not None:
            if not exist_ok:
                raise WorkspaceException(
                    f"Workspace {name!r} exists already; pass exist_ok=True to use it."
                )
            _require_same_folder(name, known, path)
            return _of(known)
        folder = absolute(path or os.path.join(registry.workspaces_folder(), name))
        config = WorkspaceConfig(
            subscription_id or registry.LOCAL,
            resource_group or registry.LOCAL,
            name,
            workspace_config.default_data_folder(folder),
            service_url,
        )
        try:
            workspace_config.write(config, folder)
        except OSError as error:
            raise WorkspaceException(
                f"Workspace {name!r} cannot be made in {folder}: {error.strerror}. Give a folder "
                "that can be written as path=, or set DISPATCHER_HOME to one."
            ) from error
        registry.register(config, folder)
        return _of(config)

    @staticmethod
    def get(
        name: str,
        auth: Any = None,
        subscription_id: Optional[str] = None,
        resource_group: Optional[str] = None,
        location: Optional[str] = None,
        cloud: str = "AzureCloud",
        id: Optional[str] = None,
    ) -> Workspace:
        """Find a workspace by name. Raises WorkspaceException when there is none."""
        checks.texts(name=name)
        return _of(registry.named(name, subscription_id, resource_group))

    @staticmethod
    def list(
        subscription_id: Optional[str] = None,
        auth: Any = None,
        resource_group: Optional[str] = None,
    ) -> Dict[str, List[Workspace]]:
        """The workspaces made on this machine: name → list of workspaces of that name."""
        workspaces: Dict[str, List[Workspace]] = {}
        asked = (subscription_id, resource_group)
        for config in registry.read_all():
            if all(a in (None, b) for a, b in zip(asked, config.address)):  # noqa: B905  (3.8)
                workspaces.setdefault(config.name, []).append(_of(config))
        return workspaces

    def write_config(self, path: Optional[str] = None, file_name: Optional[str] = None) -> None:
        """Write `<path>/.azureml/config.json`, from which `from_config` finds this workspace."""
        checks.paths_or_none(path=path, file_name=file_name)
        workspace_config.write(self._config, path or ".", file_name or "config.json")

    def delete(self, delete_dependent_resources: bool = False, no_wait: bool = False) -> None:
        """Forget the workspace on this machine, and end its service and the agents of this machine.

        Args:
            delete_dependent_resources: Delete its data folder, too. Without it, runs that have not
                ended are canceled, and the data stay. A remote service is left alone.

        Raises:
            WorkspaceException: The data are to be deleted, and runs have not ended; nothing is
                deleted then.
            WaitTimeoutError: A run, the service or an agent does not end; nothing is deleted then.
        """
        self._delete(delete_dependent_resources, cancel_runs=not delete_dependent_resources)

    def _delete(self, with_data: bool, *, cancel_runs: bool) -> None:
        from dispatcher.client.v1.workspaces import deleting

        deleting.end_all(self, cancel_runs=cancel_runs)
        registry.forget(self._config)
        if with_data and not self._config.service_url:
            shutil.rmtree(self._config.data_folder, ignore_errors=True)
            registry.forget(self._config)  # its home is empty now

    @property
    def name(self) -> str:
        """The workspace's name."""
        return self._config.name

    @property
    def subscription_id(self) -> str:
        """The subscription it was created with."""
        return self._config.subscription_id

    @property
    def resource_group(self) -> str:
        """The resource group it was created with."""
        return self._config.resource_group

    @property
    def location(self) -> str:
        """Where its service is: its URL, or `local`."""
        return self._config.service_url or registry.LOCAL

    @property
    def sku(self) -> str:
        """v1's pricing tier; without meaning here."""
        return self._sku

    @property
    def tags(self) -> Dict[str, str]:
        """The tags it was made with."""
        return self._tags

    @property
    def data_folder(self) -> str:
        """Where the embedded service and the hash cache keep their things."""
        return self._config.data_folder

    @property
    def service(self) -> ApiConnection:
        """The connection to the service; the embedded one is started by the first use."""
        if self._connection is None:
            self._connection = self._connection_of_run() or self._new_connection()
        return self._connection

    def _connection_of_run(self) -> Optional[ApiConnection]:
        """The connection of the run around this code, if the run is of this workspace.

        Code inside a run uses the run's token, never the owner's token file.
        """
        from dispatcher.client.in_run import context

        around = context.current()
        address = (self.subscription_id, self.resource_group, self.name)
        return around.connection if around is not None and around.workspace == address else None

    def _new_connection(self) -> ApiConnection:
        from dispatcher.client.api import service

        config = self._config
        if config.service_url:
            return service.connect_remote(config.service_url)
        address = {
            "workspace": config.name,
            "subscription": config.subscription_id,
            "resource_group": config.resource_group,
        }
        return service.connect_embedded(config.data_folder, address)

    def get_details(self) -> Dict[str, Any]:
        """What is known of the workspace, in v1's shape."""
        scope = (
            f"/subscriptions/{self.subscription_id}/resourceGroups/{self.resource_group}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{self.name}"
        )
        return {
            "id": scope,
            "name": self.name,
            "location": self.location,
            "type": "Microsoft.MachineLearningServices/workspaces",
            "tags": self.tags,
            "sku": self.sku,
            "workspaceid": health.read(self.service).get("service_id"),
        }

    def __getstate__(self) -> Dict[str, Any]:
        """A pickled or copied workspace connects anew: a connection has sockets and a token."""
        return {**self.__dict__, "_connection": None}

    def __repr__(self) -> str:
        return (
            f"Workspace.create(name={self.name!r}, subscription_id={self.subscription_id!r}, "
            f"resource_group={self.resource_group!r})"
        )


def _check_name(name: str) -> None:
    if not name or name in (".", "..") or any(char in name for char in "/\\\0"):
        raise WorkspaceException(f"name: {name!r} is not a name of a workspace: it is a folder's.")
    size = len(os.fsencode(name))
    if size > _NAME_BYTES:
        raise WorkspaceException(
            f"name: {name[:40]!r}… has {size} bytes; a workspace's name has at most {_NAME_BYTES}."
        )


def _of(config: WorkspaceConfig, connection: Optional[ApiConnection] = None) -> Workspace:
    return Workspace(
        config.subscription_id,
        config.resource_group,
        config.name,
        _config=config,
        _connection=connection,
    )


def _require_same_folder(name: str, known: WorkspaceConfig, path: Optional[str]) -> None:
    """Two folders under one name would share a service without anybody having asked for it."""
    if path is None or known.service_url:
        return
    asked = workspace_config.default_data_folder(absolute(path))
    if os.path.realpath(asked) != os.path.realpath(known.data_folder):
        raise WorkspaceException(
            f"Workspace {name!r} lives in {os.path.dirname(known.data_folder)}, not in "
            f"{os.path.abspath(path)}; choose another name, or use that folder."
        )
